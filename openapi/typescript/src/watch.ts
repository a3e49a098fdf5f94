import { parseExact, type Room } from "./exact.js";
import type { CallOptions, Http } from "./http.js";
import { type Json, patchedRoom } from "./patch.js";
import { Problem } from "./problem.js";
import { Silence } from "./silence.js";
import { type Heard, NoStream, NotSignedIn, Stream } from "./stream.js";
import { pauseBefore, sleep } from "./timing.js";

/** The room as it is now, in the shape of viewers; or that it was deleted, which is the last. */
export type RoomEvent =
  | { readonly type: "room"; readonly room: Room }
  | { readonly type: "deleted" };

/** Reads a room, and tells for how many seconds the answer is good. */
export type Poll = (options: CallOptions) => Promise<{ room: Room; maxAge: number }>;

type Told = AsyncGenerator<RoomEvent, void, undefined>;

const TEMPORARY = new Set([408, 425, 429]);

/** Watch a room until it is deleted or `signal` is aborted; go on after whatever goes wrong. */
export async function* watchRoom(
  http: Http,
  liveId: string,
  poll: Poll,
  { signal }: CallOptions,
): Told {
  try {
    yield* new Watch(http, liveId, poll, signal).told();
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

class Watch {
  #isOver = false;
  #failures = 0; // streams in a row that brought nothing
  #lastId = "";
  #room: Json | undefined; // as of the event `lastId`
  #told = "";
  #expired = false;
  #pollAt = 0;

  constructor(
    readonly http: Http,
    readonly liveId: string,
    readonly poll: Poll,
    readonly signal: AbortSignal | undefined,
  ) {}

  /** Yield until the room is deleted: from streams, and from reads where there is none. */
  async *told(): Told {
    while (!this.#isOver) {
      let told: number | undefined;
      let hasNone = false;
      try {
        told = yield* this.#streamed();
      } catch (error) {
        hasNone = error instanceof NoStream;
        const least = yield* this.#failed(error);
        if (!this.#isOver) await sleep(least, this.signal);
      }
      if (this.#isOver) return;
      const random = pauseBefore(this.#failures, this.http.timing);
      if (hasNone || this.#failures > 1) yield* this.#polled(Math.max(told ?? 0, random));
      else await sleep(told ?? random, this.signal);
    }
  }

  /** Yield what one stream brings; return the milliseconds before the next, if it says so. */
  async *#streamed(): AsyncGenerator<RoomEvent, number | undefined, undefined> {
    const stream = new Stream(this.http, this.liveId, this.#lastId, this.#expired);
    const silence = new Silence(this.http.timing.silence, this.signal);
    let pause: number | undefined;
    this.#expired = false;
    this.#failures++;
    try {
      for await (const heard of stream.heard(silence)) {
        if ("retry" in heard) pause = heard.retry;
        else yield* this.#hear(heard);
        if (this.#isOver) return pause;
      }
    } finally {
      silence.end();
    }
    if (!this.#expired) return pause;
    return stream.refreshed ? undefined : 0; // if a new token has expired, too, time must pass
  }

  *#hear(heard: Exclude<Heard, { retry: number }>): Generator<RoomEvent, void, undefined> {
    if ("comment" in heard) {
      this.#failures = 0;
      return;
    }
    if (heard.event === "expired") this.#expired = true;
    if (heard.event === "deleted") yield* this.#tellDeleted();
    if (heard.event === "room") this.#room = parseExact(heard.data) as Json;
    else if (heard.event !== "change" || !this.#room) return;
    else this.#room = patchedRoom(this.#room, parseExact(heard.data) as Json);
    this.#failures = 0;
    this.#lastId = heard.id ?? "";
    yield* this.#tell(this.#room);
  }

  /** Read the room for some time, as often as the answers allow. */
  async *#polled(milliseconds: number): Told {
    const end = performance.now() + milliseconds;
    while (!this.#isOver) {
      const now = performance.now();
      const next = Math.max(now, this.#pollAt);
      await sleep(Math.min(next, end) - now, this.signal);
      if (next > end) return;
      yield* this.#read();
    }
  }

  async *#read(): Told {
    const silence = new Silence(this.http.timing.silence, this.signal);
    try {
      const { room: read, maxAge } = await this.poll({ signal: silence.signal });
      silence.end();
      this.#pollAt = performance.now() + maxAge * 1000 * (1 + Math.random() / 4);
      const { push_url: _, ...room } = read; // a stream has none either
      const before = this.#told;
      yield* this.#tell(room);
      if (this.#told !== before) this.#lastId = ""; // the next stream tells the whole room
    } catch (error) {
      silence.end();
      const least = yield* this.#failed(error);
      this.#pollAt = performance.now() + least + pauseBefore(this.#failures, this.http.timing);
    }
  }

  *#tell(room: Json): Generator<RoomEvent, void, undefined> {
    const told = JSON.stringify(room);
    if (told === this.#told) return;
    this.#told = told;
    yield { type: "room", room: JSON.parse(told) as Room };
  }

  *#tellDeleted(): Generator<RoomEvent, void, undefined> {
    this.#isOver = true;
    yield { type: "deleted" };
  }

  /** Return the milliseconds to wait at least. Throws what only the user can help. */
  *#failed(error: unknown): Generator<RoomEvent, number, undefined> {
    this.signal?.throwIfAborted();
    if (error instanceof NotSignedIn) throw error.reason;
    if (!(error instanceof Problem)) return 0;
    if (error.code === "room_not_found") yield* this.#tellDeleted();
    else if (error.status < 500 && !TEMPORARY.has(error.status)) throw error;
    return (error.retryAfter ?? 0) * 1000;
  }
}
