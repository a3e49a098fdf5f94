import type { CallOptions, Http } from "./http.js";
import { Problem } from "./problem.js";
import { pauseBefore, sleep } from "./timing.js";

const MINUTE = 60_000;
const TRIES = 5;

type Path = "/v1/rooms/{live_id}/start" | "/v1/rooms/{live_id}/heartbeat" | "/v1/rooms/{live_id}/stop";

export interface GoLiveOptions extends CallOptions {
  /** Milliseconds between two heartbeats; a minute without it. */
  readonly every?: number;
}

/** A room that is kept living until `stop` is called or the signal is aborted. */
export interface Broadcast {
  /** Resolves once that is so; throws Problem if the room can be kept living no longer. */
  readonly ended: Promise<void>;
  /** End the broadcast. Throws Problem, or as `fetch` does; the heartbeats end all the same. */
  stop(): Promise<void>;
}

/** Let a room go live, as its anchor, and keep it so. A start is repeated while nothing is certain. */
export async function goLive(
  http: Http,
  liveId: string,
  { signal, every = MINUTE }: GoLiveOptions,
): Promise<Broadcast> {
  const leaving = new AbortController();
  const leave = () => leaving.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener("abort", leave);
  const forget = () => signal?.removeEventListener("abort", leave);
  try {
    await started(http, liveId, leaving.signal);
  } catch (error) {
    forget();
    throw error;
  }
  const ended = kept(http, liveId, every, leaving.signal).finally(forget);
  ended.catch(() => {}); // for those who do not wait for it
  return {
    ended,
    async stop() {
      leaving.abort();
      await post(http, "/v1/rooms/{live_id}/stop", liveId);
    },
  };
}

async function started(http: Http, liveId: string, signal: AbortSignal): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await post(http, "/v1/rooms/{live_id}/start", liveId, signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (tried === TRIES || isFinal(error)) throw error;
      await sleep(pauseAfter(error, tried, http), signal);
    }
  }
}

/** Send heartbeats, those that failed again soon, until the signal is aborted. */
async function kept(http: Http, liveId: string, every: number, signal: AbortSignal): Promise<void> {
  try {
    for (let failures = 0, pause = every; ; ) {
      await sleep(pause, signal);
      try {
        await post(http, "/v1/rooms/{live_id}/heartbeat", liveId, signal);
        failures = 0;
        pause = every;
      } catch (error) {
        signal.throwIfAborted();
        if (isFinal(error)) throw error;
        pause = Math.min(every, pauseAfter(error, failures++, http));
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function isFinal(error: unknown): boolean {
  if (!(error instanceof Problem)) return !(error instanceof TypeError); // no answer came
  return error.status < 500 && error.status !== 429;
}

function pauseAfter(error: unknown, failures: number, http: Http): number {
  const told = error instanceof Problem ? (error.retryAfter ?? 0) * 1000 : 0;
  return told + pauseBefore(failures, http.timing);
}

function post(http: Http, path: Path, liveId: string, signal?: AbortSignal) {
  return http.write(
    (headers) =>
      http.api.POST(path, {
        params: { path: { live_id: liveId } },
        headers,
        parseAs: "text",
        signal: signal ?? null,
      }),
    { signal },
  );
}
