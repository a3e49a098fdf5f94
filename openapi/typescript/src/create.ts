import { type NewRoom, parseExact, type Room } from "./exact.js";
import type { CallOptions, Http } from "./http.js";
import { Problem } from "./problem.js";
import { pauseBefore, sleep } from "./timing.js";

const TRIES = 5;
const AGAIN = new Set(["idempotency_in_progress", "outcome_unknown", "rate_limited"]);

export interface CreateOptions extends CallOptions {
  /** Names this create; a new one is made without it. Give it to repeat a create later. */
  readonly key?: string;
}

/** Create a room. The create is repeated with the same key, so that it makes one room at most. */
export async function createRoom(
  http: Http,
  room: NewRoom,
  { key = newKey(), signal }: CreateOptions,
): Promise<Room> {
  for (let tried = 1; ; tried++) {
    try {
      const { text } = await http.write(
        (headers) =>
          http.api.POST("/v1/rooms", {
            body: room,
            params: { header: { "Idempotency-Key": key } },
            headers,
            parseAs: "text",
            signal: signal ?? null,
          }),
        { signal },
      );
      return parseExact(text) as Room;
    } catch (error) {
      signal?.throwIfAborted();
      if (tried === TRIES || !mayHelp(error)) throw error;
      const told = error instanceof Problem ? (error.retryAfter ?? 0) * 1000 : 0;
      await sleep(told + pauseBefore(tried, http.timing), signal);
    }
  }
}

// The vendor may still tell the gateway of a room whose create was not confirmed. What is not the
// gateway's own says nothing of the create.
function mayHelp(error: unknown): boolean {
  if (!(error instanceof Problem)) return error instanceof TypeError; // no answer came
  if (error.code === "outcome_unknown") return true;
  if (error.code === "unknown" && error.status >= 500) return true;
  return !error.replayed && (AGAIN.has(error.code) || error.status === 503);
}

/** Return a UUID, also where a page is not secure and browsers make none. */
function newKey(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
