import {
  InsecureLeveeTokenProvider,
  RemoteLeveeTokenProvider,
  type TokenProvider,
} from "levee-driver";
import type { LeveeConnectionConfig, LeveeUser } from "./interfaces.ts";

const DEFAULT_TENANT = "fluid";

export function tenantOf(connection: LeveeConnectionConfig): string {
  return connection.tenantId ?? DEFAULT_TENANT;
}

export function withoutTrailingSlash(url: string): string {
  return url.endsWith("/") ? url.slice(0, -1) : url;
}

/** The source of tokens that `connection` names, the most particular one first. */
export function createTokenProvider(connection: LeveeConnectionConfig): TokenProvider {
  const { user, tenantKey, authToken, tokenProvider } = connection;
  if (user === undefined && authToken === undefined) {
    throw new TypeError("a LeveeClient needs a user, or an authToken that tells who it is");
  }
  if (tenantKey !== undefined && user === undefined) {
    throw new TypeError("a tenantKey signs tokens for a user: it needs one");
  }
  if (tokenProvider !== undefined) return tokenProvider;
  if (tenantKey !== undefined && user !== undefined) {
    return new InsecureLeveeTokenProvider(tenantKey, user, tenantOf(connection));
  }
  if (authToken !== undefined) return mintOf(connection);
  throw new TypeError("a LeveeClient needs a tokenProvider, a tenantKey or an authToken");
}

/**
 * Asks the service whose session `authToken` is.
 *
 * Errors: those of the token mint, also if it names nobody; a TypeError without an `authToken`.
 */
export async function resolveUser(connection: LeveeConnectionConfig): Promise<LeveeUser> {
  if (connection.authToken === undefined) {
    throw new TypeError("a LeveeClient needs a user, or an authToken that tells who it is");
  }
  const user = await mintOf(connection).resolveUser(tenantOf(connection));
  if (user === undefined) throw new Error("the token mint does not tell whose session it is");
  return { ...user, name: user.name ?? user.id };
}

function mintOf(connection: LeveeConnectionConfig): RemoteLeveeTokenProvider {
  const { httpUrl, user, authToken } = connection;
  const tenant = encodeURIComponent(tenantOf(connection));
  const mint = `${withoutTrailingSlash(httpUrl)}/api/tenants/${tenant}/token-mint`;
  return new RemoteLeveeTokenProvider(mint, user, authToken);
}
