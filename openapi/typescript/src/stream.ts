import { createParser } from "eventsource-parser";
import type { Http } from "./http.js";
import { Problem } from "./problem.js";
import type { Silence } from "./silence.js";

/** What comes on a stream: an event, a comment, or the milliseconds before the next connection. */
export type Heard =
  | { readonly event: string; readonly data: string; readonly id: string | undefined }
  | { readonly comment: string }
  | { readonly retry: number };

/** There is no stream at the address: an older gateway, or something else that answers. */
export class NoStream extends Error {}

/** The caller's `token` failed for a `reason` that is no lost connection. */
export class NotSignedIn extends Error {
  constructor(readonly reason: unknown) {
    super();
  }
}

const NO_STREAM = new Set([404, 405, 406, 501]);

/** A request for the events of a room, which goes on after the event `lastId`. */
export class Stream {
  /** True once it has asked with another token than the last one. */
  refreshed: boolean;

  constructor(
    readonly http: Http,
    readonly liveId: string,
    readonly lastId: string,
    refresh: boolean,
  ) {
    this.refreshed = refresh;
  }

  /** Yield all that comes. Throws Problem, NoStream, NotSignedIn, or as `fetch` does. */
  async *heard(silence: Silence): AsyncGenerator<Heard, void, undefined> {
    const reader = (await this.#opened(silence.signal)).getReader();
    const decoder = new TextDecoder();
    const heard: Heard[] = [];
    const parser = createParser({
      onEvent: ({ event = "message", data, id }) => heard.push({ event, data, id }),
      onComment: (comment) => heard.push({ comment }),
      onRetry: (retry) => heard.push({ retry }),
    });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      silence.heard();
      parser.feed(decoder.decode(value, { stream: true }));
      yield* heard.splice(0);
    }
  }

  async #opened(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    for (;;) {
      const response = await this.#ask(signal);
      const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
      if (response.ok && isStream && response.body) return response.body;
      if (response.ok) throw new NoStream();
      const problem = new Problem(response, await response.json().catch(() => undefined));
      if (problem.code !== "room_not_found" && NO_STREAM.has(problem.status)) throw new NoStream();
      if (!this.http.isRefused(problem.status, this.refreshed)) throw problem;
      this.refreshed = true;
    }
  }

  async #ask(signal: AbortSignal): Promise<Response> {
    const { http } = this;
    const url = `${http.baseUrl}/v1/rooms/${encodeURIComponent(this.liveId)}/events`;
    const headers: Record<string, string> = {
      Accept: "text/event-stream",
      ...(await this.#signedIn(signal)),
      ...(this.lastId && { "Last-Event-ID": this.lastId }),
    };
    return http.fetch(url, { headers, signal, credentials: http.credentials, cache: "no-store" });
  }

  async #signedIn(signal: AbortSignal): Promise<Record<string, string>> {
    try {
      return await this.http.signedIn(this.refreshed, signal);
    } catch (error) {
      if (error instanceof TypeError || signal.aborted) throw error;
      throw new NotSignedIn(error);
    }
  }
}
