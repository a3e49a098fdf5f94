/** Milliseconds. */
export interface Timing {
  /** The longest pause before the first repeat; it doubles with each. */
  readonly firstPause: number;
  readonly longestPause: number;
  /** The time without a byte after which a stream is dead. The gateway sends something every 10 s. */
  readonly silence: number;
}

export const TIMING: Timing = { firstPause: 500, longestPause: 30_000, silence: 25_000 };

/** Return a random pause before a repeat: clients that fail together do not come back together. */
export function pauseBefore(repeat: number, timing: Timing): number {
  return Math.random() * Math.min(timing.longestPause, timing.firstPause * 2 ** repeat);
}

/** Wait; reject with the signal's reason if it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
