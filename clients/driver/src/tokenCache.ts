// Tokens that are still good.

import type { TokenResponse } from "./contracts.ts";

/** A token, and until when it may be given out. */
export interface Dated {
  readonly jwt: string;
  /** Milliseconds since the Unix epoch. */
  readonly expiresMs: number;
}

/** A token is not given out during its last minute: the clock of the service may be ahead. */
const MARGIN_MS = 60_000;
const ENTRIES_MAX = 1000;

/** Keeps the last token of each key, and asks once for all who wait for the same one. */
export class TokenCache {
  readonly #tokens = new Map<string, Dated>();
  readonly #pending = new Map<string, Promise<Dated>>();

  /** @param refresh - asks for a new token even if the known one has time left */
  async get(key: string, refresh: boolean, fetch: () => Promise<Dated>): Promise<TokenResponse> {
    const known = this.#tokens.get(key);
    if (!refresh && known !== undefined && known.expiresMs - MARGIN_MS > Date.now()) {
      return { jwt: known.jwt, fromCache: true };
    }
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = fetch().finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    const token = await pending;
    this.#keep(key, token);
    return { jwt: token.jwt, fromCache: false };
  }

  #keep(key: string, token: Dated): void {
    this.#tokens.delete(key);
    this.#tokens.set(key, token);
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size > ENTRIES_MAX && oldest !== undefined) this.#tokens.delete(oldest);
  }
}
