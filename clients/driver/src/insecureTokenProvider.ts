import { toBase64Url } from "./base64.ts";
import type { LeveeTokenClaims, LeveeUser, TokenProvider, TokenResponse } from "./contracts.ts";
import { LeveeError } from "./errors.ts";
import { randomId } from "./random.ts";
import { type Dated, TokenCache } from "./tokenCache.ts";

const LIFETIME_S = 3600;
const SCOPES = ["doc:read", "doc:write", "summary:write"];

/**
 * Signs tokens with the tenant's key, in the client. Whoever has the app then has the key: for
 * development only.
 */
export class InsecureLeveeTokenProvider implements TokenProvider {
  readonly currentUser: LeveeUser;
  readonly #key: string;
  readonly #tenantId: string;
  readonly #cache = new TokenCache();

  constructor(key: string, user: LeveeUser, tenantId = "fluid") {
    this.#key = key;
    this.currentUser = user;
    this.#tenantId = tenantId;
  }

  async fetchOrdererToken(
    tenantId: string,
    documentId?: string,
    refresh?: boolean,
  ): Promise<TokenResponse> {
    return this.#token(tenantId, documentId ?? "", refresh === true);
  }

  async fetchStorageToken(
    tenantId: string,
    documentId: string,
    refresh?: boolean,
  ): Promise<TokenResponse> {
    return this.#token(tenantId, documentId, refresh === true);
  }

  async #token(tenantId: string, documentId: string, refresh: boolean): Promise<TokenResponse> {
    const tenant = tenantId || this.#tenantId;
    const key = JSON.stringify([tenant, documentId]);
    return this.#cache.get(key, refresh, () => this.#sign(tenant, documentId));
  }

  async #sign(tenantId: string, documentId: string): Promise<Dated> {
    const iat = Math.floor(Date.now() / 1000);
    const claims: LeveeTokenClaims = {
      documentId,
      tenantId,
      scopes: SCOPES,
      user: this.currentUser,
      ver: "1.0",
      jti: randomId(),
      iat,
      exp: iat + LIFETIME_S,
    };
    const body = `${encoded({ alg: "HS256" })}.${encoded(claims)}`;
    const signature = await hmacSha256(this.#key, body);
    return { jwt: `${body}.${toBase64Url(signature)}`, expiresMs: claims.exp * 1000 };
  }
}

function encoded(value: object): string {
  return toBase64Url(new TextEncoder().encode(JSON.stringify(value)));
}

async function hmacSha256(key: string, text: string): Promise<Uint8Array> {
  const subtle = globalThis.crypto.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) {
    throw new LeveeError(
      "tokens can be signed only on https:// pages and on localhost",
      "fetchTokenError",
      { canRetry: false },
    );
  }
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const encoder = new TextEncoder();
  const imported = await subtle.importKey("raw", encoder.encode(key), algorithm, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, encoder.encode(text)));
}
