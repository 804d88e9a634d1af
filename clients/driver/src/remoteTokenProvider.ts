import type { LeveeUser, TokenProvider, TokenResponse } from "./contracts.ts";
import { LeveeError, RestError } from "./errors.ts";
import { deadline, send } from "./rest.ts";
import { type Dated, TokenCache } from "./tokenCache.ts";

const LIFETIME_S = 3600;
const TIMEOUT_MS = 30_000;

/** What the endpoint answers. */
interface Minted {
  readonly jwt: string;
  /** Seconds. */
  readonly expiresIn?: number;
  readonly user?: LeveeUser;
}

/**
 * Gets tokens from an endpoint, as the service's token-mint: `POST` with
 * `{tenantId, documentId, scope, user}`, answered by `{jwt, expiresIn?, user?}`.
 */
export class RemoteLeveeTokenProvider implements TokenProvider {
  readonly #endpoint: string;
  readonly #user: LeveeUser | undefined;
  readonly #authToken: string | undefined;
  readonly #cache = new TokenCache();
  #resolvedUser: LeveeUser | undefined;

  /**
   * @param tokenEndpoint - its whole URL
   * @param user - whom the tokens are for, where the endpoint wants to be told
   * @param authToken - sent as `Authorization: Bearer …`
   */
  constructor(tokenEndpoint: string, user?: LeveeUser, authToken?: string) {
    this.#endpoint = tokenEndpoint;
    this.#user = user;
    this.#authToken = authToken;
  }

  /** The user given, or else the one that the endpoint named. */
  get currentUser(): LeveeUser | undefined {
    return this.#user ?? this.#resolvedUser;
  }

  /** The user that the endpoint named last. */
  get resolvedUser(): LeveeUser | undefined {
    return this.#resolvedUser;
  }

  /** Asks the endpoint who the user is. */
  async resolveUser(tenantId: string, documentId = ""): Promise<LeveeUser | undefined> {
    if (this.#resolvedUser === undefined) await this.fetchStorageToken(tenantId, documentId);
    return this.currentUser;
  }

  async fetchOrdererToken(
    tenantId: string,
    documentId?: string,
    refresh?: boolean,
  ): Promise<TokenResponse> {
    return this.#token(tenantId, documentId ?? "", "orderer", refresh === true);
  }

  async fetchStorageToken(
    tenantId: string,
    documentId: string,
    refresh?: boolean,
  ): Promise<TokenResponse> {
    return this.#token(tenantId, documentId, "storage", refresh === true);
  }

  async #token(
    tenantId: string,
    documentId: string,
    scope: "orderer" | "storage",
    refresh: boolean,
  ): Promise<TokenResponse> {
    const key = JSON.stringify([tenantId, documentId, scope]);
    return this.#cache.get(key, refresh, () => this.#mint({ tenantId, documentId, scope }));
  }

  /** @throws {@link LeveeError}; what is wrong with the endpoint's session does not mend itself */
  async #mint(asked: object): Promise<Dated> {
    const { status, statusText, text } = await send(this.#endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(this.#authToken === undefined ? {} : { authorization: `Bearer ${this.#authToken}` }),
      },
      body: JSON.stringify({ ...asked, ...(this.#user === undefined ? {} : { user: this.#user }) }),
      signal: deadline(TIMEOUT_MS),
    });
    if (status < 200 || status > 299) {
      const { canRetry } = new RestError("", status);
      throw new LeveeError(`Failed to fetch token: ${status} ${statusText}`, "fetchTokenError", {
        canRetry,
      });
    }
    const { jwt, expiresIn, user } = minted(text);
    if (user !== undefined) this.#resolvedUser = user;
    return { jwt, expiresMs: Date.now() + (expiresIn ?? LIFETIME_S) * 1000 };
  }
}

function minted(text: string): Minted {
  try {
    const answer = JSON.parse(text) as Minted;
    if (typeof answer.jwt === "string") return answer;
  } catch {
    // Told below.
  }
  throw new LeveeError("the token endpoint answers no token", "fetchTokenError", {
    canRetry: false,
  });
}
