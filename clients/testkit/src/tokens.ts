// Document tokens (HS256 JWTs) and the token provider that an app's own back end would be.

import { createHmac, randomUUID } from "node:crypto";
import type { ITokenProvider, ITokenResponse } from "@fluidframework/routerlicious-driver";
import type { Tenant } from "./service.ts";

export interface User {
  readonly id: string;
  readonly name: string;
}

export function randomUser(): User {
  const id = randomUUID();
  return { id, name: `User ${id.slice(0, 8)}` };
}

export interface TokenOptions {
  readonly scopes?: readonly string[];
  readonly user?: User;
  /** Seconds from now until the token expires; negative for one that has expired. */
  readonly lifetimeSeconds?: number;
  /** Claims to add, or with `undefined` to leave out. */
  readonly claims?: Record<string, unknown>;
  /** Signs with this key in place of the tenant's. */
  readonly key?: string;
}

export const ALL_SCOPES = ["doc:read", "doc:write", "summary:write"] as const;

export function signToken(tenant: Tenant, documentId: string, options: TokenOptions = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    documentId,
    scopes: options.scopes ?? ALL_SCOPES,
    tenantId: tenant.id,
    user: options.user ?? { id: "probe", name: "Probe" },
    iat: now,
    exp: now + (options.lifetimeSeconds ?? 3600),
    ver: "1.0",
    jti: randomUUID(),
    ...options.claims,
  };
  const body = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  const signature = createHmac("sha256", options.key ?? tenant.key)
    .update(body)
    .digest("base64url");
  return `${body}.${signature}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** What the drivers asked a `SigningTokenProvider` for. */
export interface TokenRequest {
  readonly kind: "orderer" | "storage";
  readonly documentId: string;
  readonly refresh: boolean;
}

/** Signs a fresh token at every call, and remembers what was asked. */
export class SigningTokenProvider implements ITokenProvider {
  readonly requests: TokenRequest[] = [];

  /** What the service said of documents that were just created; asked for only if it is set. */
  documentPostCreateCallback?: (documentId: string, creationToken: string) => Promise<void>;

  readonly #tenant: Tenant;
  readonly #options: (request: TokenRequest) => TokenOptions;

  constructor(tenant: Tenant, options: TokenOptions | ((request: TokenRequest) => TokenOptions)) {
    this.#tenant = tenant;
    this.#options = typeof options === "function" ? options : () => options;
  }

  async fetchOrdererToken(
    _tenantId: string,
    documentId?: string,
    refresh = false,
  ): Promise<ITokenResponse> {
    return this.#sign({ kind: "orderer", documentId: documentId ?? "", refresh });
  }

  async fetchStorageToken(
    _tenantId: string,
    documentId: string,
    refresh = false,
  ): Promise<ITokenResponse> {
    return this.#sign({ kind: "storage", documentId: documentId ?? "", refresh });
  }

  #sign(request: TokenRequest): ITokenResponse {
    this.requests.push(request);
    return { jwt: signToken(this.#tenant, request.documentId, this.#options(request)) };
  }
}
