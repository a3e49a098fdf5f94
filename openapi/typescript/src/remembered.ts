const MOST = 500;

/** The last answers by path, with their ETags: an unchanged one comes back without a body. */
export class Remembered {
  readonly #answers = new Map<string, { etag: string; body: unknown }>();

  /** Return the condition for another request. */
  condition(path: string): Record<string, string> {
    const known = this.#answers.get(path);
    return known ? { "If-None-Match": known.etag } : {};
  }

  /** Return the body of an answer, that of the last one if nothing has changed. */
  take(path: string, response: Response, body: unknown): unknown {
    const known = this.#answers.get(path);
    this.#answers.delete(path);
    if (response.status === 304 && known) {
      this.#answers.set(path, known);
      return known.body;
    }
    const etag = response.headers.get("ETag");
    if (etag) this.#answers.set(path, { etag, body }); // an anchor's own room has none
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > MOST && oldest !== undefined) this.#answers.delete(oldest);
    return body;
  }
}
