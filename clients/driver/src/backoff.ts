// Waiting between attempts: longer after each failure, and never in step with other clients.

/** Bounds of a back-off, in milliseconds. */
export interface BackoffOptions {
  /** About the first wait. */
  readonly initialMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
}

/** Counts failures, and says how long to wait after them. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #failures = 0;

  /** @param random - answers numbers from 0 to 1 */
  constructor(options: BackoffOptions, random: () => number = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  get failures(): number {
    return this.#failures;
  }

  failed(times = 1): void {
    this.#failures += times;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** The wait before the next attempt: none without a failure, else half of it is random. */
  delayMs(): number {
    if (this.#failures === 0) return 0;
    const { initialMs, maxMs } = this.#options;
    const full = Math.min(initialMs * 2 ** Math.min(this.#failures - 1, 30), maxMs);
    return full * (0.5 + this.#random() / 2);
  }
}

/** Waits; ends early, without an error, when `signal` is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}
