const MOST = 500;
const MOST_CHARACTERS = 4_000_000;

/** An answer's text, and the ETag that it came with. */
export interface Known {
  readonly etag: string;
  readonly text: string;
}

/** The last answers by path, so that an unchanged one comes back without a body. */
export class Remembered {
  readonly #answers = new Map<string, Known>();
  #characters = 0;

  /** Return the last answer. */
  get(path: string): Known | undefined {
    return this.#answers.get(path);
  }

  /** Keep an answer in place of the last one; without an ETag, as an anchor's own room, none. */
  keep(path: string, etag: string | null, text: string): void {
    this.#forget(path);
    if (!etag) return;
    this.#answers.set(path, { etag, text });
    this.#characters += text.length;
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MOST && this.#characters <= MOST_CHARACTERS) return;
      this.#forget(oldest);
    }
  }

  #forget(path: string): void {
    this.#characters -= this.#answers.get(path)?.text.length ?? 0;
    this.#answers.delete(path);
  }
}
