import type { components } from "./schema.js";

/** What is wrong with one field of a request. */
export type FieldProblem = components["schemas"]["FieldProblem"];

/** An answer that is no success. Decide by `code`; show or log `requestId`. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  /** `unknown` if the answer is not the gateway's, as a proxy's page. */
  readonly code: string;
  readonly requestId: string;
  /** Seconds to wait before the next try, if the gateway says so. */
  readonly retryAfter: number | undefined;
  /** Each field that is wrong; only of a 400. */
  readonly errors: readonly FieldProblem[];
  /** True for the outcome of an earlier request with the same `Idempotency-Key`. */
  readonly replayed: boolean;

  constructor(response: Response, body: unknown) {
    const told: Readonly<Record<string, unknown>> = { ...(typeof body === "object" ? body : {}) };
    super(text(told["detail"]) ?? `The gateway answered ${response.status}.`);
    this.status = response.status;
    this.code = text(told["code"]) ?? "unknown";
    this.requestId = text(told["request_id"]) ?? response.headers.get("X-Request-Id") ?? "";
    const seconds = Number(response.headers.get("Retry-After"));
    this.retryAfter = seconds > 0 ? seconds : undefined;
    this.errors = Array.isArray(told["errors"]) ? told["errors"] : [];
    this.replayed = response.headers.get("Idempotency-Replayed") === "true";
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
