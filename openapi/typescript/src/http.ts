import createClient from "openapi-fetch";
import { parseExact } from "./exact.js";
import { Problem } from "./problem.js";
import type { paths } from "./schema.js";
import { TIMING, type Timing } from "./timing.js";

/** How to reach a gateway, and as whom. */
export interface Options {
  /** The gateway's address, with the prefix of a proxy, as `https://live.example.com`. */
  readonly baseUrl: string;
  /**
   * Returns the user's token; `refresh` is true once the last one was refused. Without it the
   * browser's cookie signs in.
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

/** A good answer, with its body parsed. */
export interface Answer {
  readonly response: Response;
  readonly body: unknown;
}

type Sent = Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** Sends requests as one user. */
export class Http {
  readonly api;
  readonly baseUrl: string;
  readonly fetch: typeof globalThis.fetch;
  readonly timing: Timing;
  readonly credentials: RequestCredentials;
  readonly #token: Options["token"];

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

  /** Return the headers that sign a request in. */
  async signedIn(refresh: boolean, writes = false): Promise<Record<string, string>> {
    if (this.#token) return { Authorization: `Bearer ${await this.#token(refresh)}` };
    return writes ? { "X-Gateway-CSRF": "1" } : {};
  }

  /** Send a request; once more with a fresh token if that was refused. Throws Problem. */
  async send(call: (headers: Record<string, string>) => Sent, writes = false): Promise<Answer> {
    for (let refresh = false; ; refresh = true) {
      const { data, error, response } = await call(await this.signedIn(refresh, writes));
      if (response.ok || response.status === 304) {
        return { response, body: typeof data === "string" && data ? parseExact(data) : undefined };
      }
      if (!this.isRefused(response.status, refresh)) throw new Problem(response, error);
    }
  }

  /** Return whether another token may help. */
  isRefused(status: number, refreshed: boolean): boolean {
    return status === 401 && !refreshed && this.#token !== undefined;
  }
}
