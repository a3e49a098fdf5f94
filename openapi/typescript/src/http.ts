import createClient from "openapi-fetch";
import { Problem } from "./problem.js";
import type { paths } from "./schema.js";
import { TIMING, type Timing, unlessAborted } from "./timing.js";

/** How to reach a gateway, and as whom. */
export interface Options {
  /** The gateway's address, with the prefix of a proxy, as `https://live.example.com`. */
  readonly baseUrl: string;
  /**
   * Returns the user's token; `refresh` is true once the last one was refused or has expired. Calls
   * that need another one at the same time share one. Without it the browser's cookie signs in.
   */
  readonly token?: (refresh: boolean) => string | Promise<string>;
  /** In place of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  readonly timing?: Partial<Timing>;
}

/** Whatever a call takes besides its arguments. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Which page of a list to read; 20 rooms on the first one by default, 50 at most. */
export interface PageOptions extends CallOptions {
  readonly page?: number;
  readonly pageSize?: number;
}

/** A good answer; the text of its body is empty if it has none. */
export interface Answer {
  readonly response: Response;
  readonly text: string;
}

type Headers = Record<string, string>;
type Sent = Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** Sends requests as one user. */
export class Http {
  readonly api;
  readonly baseUrl: string;
  readonly fetch: typeof globalThis.fetch;
  readonly timing: Timing;
  readonly credentials: "omit" | "include";
  readonly #token: Options["token"];
  #refreshing: Promise<string> | undefined;

  constructor(options: Options) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.fetch = options.fetch ?? ((...given) => globalThis.fetch(...given));
    this.timing = { ...TIMING, ...options.timing };
    this.#token = options.token;
    this.credentials = options.token ? "omit" : "include";
    this.api = createClient<paths>({
      baseUrl: this.baseUrl,
      fetch: this.fetch,
      credentials: this.credentials,
    });
  }

  /** Return the headers that sign a read in. Throws as the caller's `token` does. */
  async signedIn(refresh: boolean, signal?: AbortSignal): Promise<Headers> {
    if (!this.#token) return {};
    const token = refresh ? this.#refreshed(this.#token) : this.#token(false);
    return { Authorization: `Bearer ${await unlessAborted(token, signal)}` };
  }

  /** Send a request; once more with a fresh token if that was refused. Throws Problem. */
  async send(call: (headers: Headers) => Sent, { signal }: CallOptions): Promise<Answer> {
    for (let refresh = false; ; refresh = true) {
      const { data, error, response } = await call(await this.signedIn(refresh, signal));
      if (response.ok || response.status === 304) {
        return { response, text: typeof data === "string" ? data : "" };
      }
      if (!this.isRefused(response.status, refresh)) throw new Problem(response, error);
    }
  }

  /** Send a write, with proof that it is meant if a cookie signs in. Throws Problem. */
  write(call: (headers: Headers) => Sent, options: CallOptions): Promise<Answer> {
    const proof: Headers = this.#token ? {} : { "X-Gateway-CSRF": "1" };
    return this.send((headers) => call({ ...headers, ...proof }), options);
  }

  /** Return whether another token may help. */
  isRefused(status: number, refreshed: boolean): boolean {
    return status === 401 && !refreshed && this.#token !== undefined;
  }

  #refreshed(token: NonNullable<Options["token"]>): Promise<string> {
    this.#refreshing ??= Promise.resolve()
      .then(() => token(true))
      .finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }
}
