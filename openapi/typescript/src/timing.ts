/** Milliseconds. */
export interface Timing {
  /** The longest pause before the first repeat; it doubles with each. */
  readonly firstPause: number;
  readonly longestPause: number;
  /** The time without a byte after which a stream is dead. The gateway sends something every 10 s. */
  readonly silence: number;
}

export const TIMING: Timing = { firstPause: 500, longestPause: 30_000, silence: 25_000 };

const LONGEST_TIMER = 2 ** 31 - 1;

/** Return a random pause before a repeat: clients that fail together do not come back together. */
export function pauseBefore(repeat: number, timing: Timing): number {
  return Math.random() * Math.min(timing.longestPause, timing.firstPause * 2 ** repeat);
}

/** Wait; reject with the signal's reason if it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(milliseconds, LONGEST_TIMER));
  });
  return unlessAborted(waited, signal).finally(() => clearTimeout(timer));
}

/** Return what a promise gives; reject with the signal's reason if it is aborted before. */
export async function unlessAborted<T>(promise: T | Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
