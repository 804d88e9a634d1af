// Waiting for a condition, with a bound and a name for what did not come.

export interface WaitOptions {
  /** What is awaited; it names the failure. */
  readonly what: string;
  readonly timeoutMs?: number;
}

/** Polls until `condition` is true. Fails with `what` and, where given, what was seen instead. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: WaitOptions & { readonly seen?: () => unknown },
): Promise<void> {
  const deadline = Date.now() + (options.timeoutMs ?? 30_000);
  while (!(await condition())) {
    if (Date.now() > deadline) {
      const seen = options.seen === undefined ? "" : `; seen: ${JSON.stringify(options.seen())}`;
      throw new Error(`did not come: ${options.what}${seen}`);
    }
    await pause(20);
  }
}

/** Settles as `promise` does, or fails with `what` after the time-out. */
export async function within<T>(promise: Promise<T>, options: WaitOptions): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`did not come: ${options.what}`)),
      options.timeoutMs ?? 30_000,
    );
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
