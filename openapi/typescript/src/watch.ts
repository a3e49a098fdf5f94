import { createParser, type EventSourceMessage } from "eventsource-parser";
import { parseExact, type Room } from "./exact.js";
import type { CallOptions, Http } from "./http.js";
import { type Json, patchedRoom } from "./patch.js";
import { Problem } from "./problem.js";
import { pauseBefore, sleep } from "./timing.js";

/** The room as it is now, in the shape of viewers; or that it was deleted, which is the last. */
export type RoomEvent =
  | { readonly type: "room"; readonly room: Room }
  | { readonly type: "deleted" };

/** Reads a room for those who cannot have a stream, and tells when to read it again. */
export type Poll = (signal?: AbortSignal) => Promise<{ room: Room; maxAge: number }>;

const NO_STREAM = new Set([404, 405, 406, 501]);

/** Watch a room until it is deleted or `signal` is aborted; go on after whatever goes wrong. */
export async function* watchRoom(
  http: Http,
  liveId: string,
  poll: Poll,
  { signal }: CallOptions,
): AsyncGenerator<RoomEvent, void, undefined> {
  const watch = new Watch(http, liveId, signal);
  try {
    for (let failures = 0; ; ) {
      const before = watch.lastId;
      try {
        yield* watch.connected();
        if (watch.isOver) return;
        failures = 0;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof NoStream) break;
        if (isFinal(error)) throw error;
        failures = watch.lastId === before ? failures + 1 : 0;
        watch.pause = pauseBefore(failures, http.timing);
        if (error instanceof Problem && error.retryAfter) watch.pause += error.retryAfter * 1000;
      }
      await sleep(watch.pause, signal);
    }
    yield* polled(poll, signal);
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

class NoStream extends Error {}

function isFinal(error: unknown): boolean {
  return error instanceof Problem && error.status < 500 && error.status !== 429;
}

class Watch {
  lastId = "";
  pause = 0;
  isOver = false;
  #refresh = false;
  #room: Json | undefined;

  constructor(
    readonly http: Http,
    readonly liveId: string,
    readonly signal: AbortSignal | undefined,
  ) {}

  /** Yield what one connection brings. Throws Problem, NoStream, or as `fetch` does. */
  async *connected(): AsyncGenerator<RoomEvent, void, undefined> {
    const silence = new Silence(this.http.timing.silence, this.signal);
    try {
      const response = await this.#ask(silence.signal);
      if (this.isOver) yield { type: "deleted" };
      if (response === undefined) return;
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const decoder = new TextDecoder();
      const events: EventSourceMessage[] = [];
      const parser = createParser({
        onEvent: (event) => events.push(event),
        onRetry: (milliseconds) => (this.pause = milliseconds),
      });
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        silence.heard();
        parser.feed(decoder.decode(value, { stream: true }));
        for (const event of events.splice(0)) yield* this.#told(event);
        if (this.isOver) return;
      }
    } finally {
      silence.end();
    }
  }

  /** Return the head of a stream; undefined if the room is gone, or for another try. */
  async #ask(signal: AbortSignal): Promise<Response | undefined> {
    const { http } = this;
    const url = `${http.baseUrl}/v1/rooms/${encodeURIComponent(this.liveId)}/events`;
    const headers: Record<string, string> = {
      Accept: "text/event-stream",
      ...(await http.signedIn(this.#refresh)),
    };
    if (this.lastId) headers["Last-Event-ID"] = this.lastId;
    const response = await http.fetch(url, { headers, signal, credentials: http.credentials });
    const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
    if (response.ok) {
      this.#refresh = false;
      if (isStream && response.body) return response;
      throw new NoStream();
    }
    const problem = new Problem(response, await response.json().catch(() => undefined));
    if (problem.code === "room_not_found") {
      this.isOver = true;
      return undefined;
    }
    if (NO_STREAM.has(response.status)) throw new NoStream();
    if (!http.isRefused(response.status, this.#refresh)) throw problem;
    this.#refresh = true;
    this.pause = 0;
    return undefined;
  }

  *#told(event: EventSourceMessage): Generator<RoomEvent, void, undefined> {
    if (event.id) this.lastId = event.id;
    switch (event.event) {
      case "room":
        this.#room = parseExact(event.data) as Json;
        yield { type: "room", room: this.#room as unknown as Room };
        break;
      case "change":
        if (!this.#room) return;
        this.#room = patchedRoom(this.#room, parseExact(event.data) as Json);
        yield { type: "room", room: this.#room as unknown as Room };
        break;
      case "deleted":
        this.isOver = true;
        yield { type: "deleted" };
        break;
      case "expired":
        this.#refresh = true;
        this.pause = 0;
    }
  }
}

/** Aborts a request when nothing has been heard for long, or when the caller does. */
class Silence {
  readonly #controller = new AbortController();
  readonly #milliseconds: number;
  readonly #outer: AbortSignal | undefined;
  readonly #abort = () => this.#controller.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(milliseconds: number, outer: AbortSignal | undefined) {
    this.#milliseconds = milliseconds;
    this.#outer = outer;
    outer?.throwIfAborted();
    outer?.addEventListener("abort", this.#abort);
    this.heard();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), this.#milliseconds);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#abort);
    this.#controller.abort();
  }
}

async function* polled(
  poll: Poll,
  signal: AbortSignal | undefined,
): AsyncGenerator<RoomEvent, void, undefined> {
  for (let last = ""; ; ) {
    let seconds = 1;
    try {
      const { room: read, maxAge } = await poll(signal);
      const { push_url: _, ...room } = read; // a stream has none either
      const told = JSON.stringify(room);
      if (told !== last) yield { type: "room", room };
      last = told;
      seconds = maxAge;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Problem && error.code === "room_not_found") {
        yield { type: "deleted" };
        return;
      }
      if (isFinal(error)) throw error;
      if (error instanceof Problem) seconds = error.retryAfter ?? seconds;
    }
    await sleep(seconds * 1000 * (1 + Math.random() / 4), signal);
  }
}
