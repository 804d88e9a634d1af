// A document's operations from storage, in pages.

import type {
  IDocumentDeltaStorageService,
  ISequencedDocumentMessage,
  IStream,
  IStreamResult,
} from "@fluidframework/driver-definitions/legacy";
import { Backoff, pause } from "./backoff.ts";
import type { DeltaStorageResponse } from "./contracts.ts";
import { canRetry, LeveeError } from "./errors.ts";
import { normalizeMembership } from "./normalize.ts";
import type { RestWrapper } from "./rest.ts";

/** Operations of one page. */
export const PAGE_OPS = 2000;
const MISSING_TIMEOUT_MS = 30_000;
const RETRY = { initialMs: 500, maxMs: 8000 };

type Page = ISequencedDocumentMessage[];

/** Fluid's storage of operations. */
export class LeveeDeltaStorageService implements IDocumentDeltaStorageService {
  readonly #rest: RestWrapper;
  readonly #url: string;
  readonly #missingTimeoutMs: number;

  /**
   * @param deltaStorageUrl - as in `/deltas/tenant/document`
   * @param missingTimeoutMs - how long operations that were asked for may be missing
   */
  constructor(
    rest: RestWrapper,
    deltaStorageUrl: string,
    missingTimeoutMs: number = MISSING_TIMEOUT_MS,
  ) {
    this.#rest = rest;
    this.#url = deltaStorageUrl;
    this.#missingTimeoutMs = missingTimeoutMs;
  }

  /**
   * The operations from `from` on and below `to`; without `to` up to the last that there is. The
   * stream waits out a service that cannot be reached, ends early when `abortSignal` is aborted,
   * and rejects with a {@link LeveeError} when the operations cannot be had.
   *
   * @param cachedOnly - nothing is cached here: the stream is empty
   */
  fetchMessages(
    from: number,
    to: number | undefined,
    abortSignal?: AbortSignal,
    cachedOnly?: boolean,
    _fetchReason?: string,
  ): IStream<Page> {
    const pages = cachedOnly === true ? nothing() : this.#pages(from, to, abortSignal);
    return {
      async read(): Promise<IStreamResult<Page>> {
        const { done, value } = await pages.next();
        return done === true ? { done } : { done: false, value };
      },
    };
  }

  async *#pages(
    from: number,
    to: number | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Page, void> {
    // Documents have no operation before the first.
    let next = Math.max(from, 1);
    let missing: { readonly sinceMs: number; readonly backoff: Backoff } | undefined;
    while (to === undefined || next < to) {
      const page = await this.#page(next, to, signal);
      if (signal?.aborted === true) return;
      const last = page.at(-1);
      if (last !== undefined) {
        missing = undefined;
        next = last.sequenceNumber + 1;
        yield page;
        continue;
      }
      if (to === undefined) return;
      missing ??= { sinceMs: performance.now(), backoff: new Backoff(RETRY) };
      if (performance.now() - missing.sinceMs > this.#missingTimeoutMs) {
        throw new LeveeError(
          `the service has no operation ${next}, although ${to - 1} was asked for`,
          "incorrectServerResponse",
          { canRetry: false },
        );
      }
      missing.backoff.failed();
      await pause(missing.backoff.delayMs(), signal);
    }
  }

  /** One page, tried until there is an answer; empty when there is none or `signal` is aborted. */
  async #page(
    next: number,
    to: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Page> {
    const backoff = new Backoff(RETRY);
    const isAborted = () => signal?.aborted === true;
    while (!isAborted()) {
      try {
        return await this.#request(next, to, signal);
      } catch (error) {
        if (isAborted()) break;
        if (!canRetry(error)) throw error;
        backoff.failed();
        const seconds = (error as LeveeError).retryAfterSeconds ?? 0;
        await pause(Math.max(backoff.delayMs(), seconds * 1000), signal);
      }
    }
    return [];
  }

  async #request(
    next: number,
    to: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Page> {
    // The service takes `to` for inclusive, and `from` for exclusive except that it sends the
    // operation at `from` along with others.
    const last = Math.min(next + PAGE_OPS - 1, to === undefined ? Infinity : to - 1);
    const query = `from=${next - 1}&to=${last}`;
    const answer = await this.#rest.get<DeltaStorageResponse>(`${this.#url}?${query}`, { signal });
    if (!Array.isArray(answer?.value)) throw unusable("the answer has no list of operations");
    const page = answer.value.filter(({ sequenceNumber }) => sequenceNumber >= next);
    for (const [index, { sequenceNumber }] of page.entries()) {
      if (sequenceNumber !== next + index) {
        throw unusable(`operation ${next + index} is missing before ${sequenceNumber}`);
      }
    }
    return normalizeMembership(page);
  }
}

function unusable(message: string): LeveeError {
  return new LeveeError(message, "incorrectServerResponse", { canRetry: false });
}

async function* nothing(): AsyncGenerator<Page, void> {}
