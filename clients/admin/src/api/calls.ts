// Every call that the page makes of people and tenants, by what it does.

import { call, path } from "./client.ts";
import type {
  Account,
  ApiKey,
  AuditEntry,
  AuthConfig,
  Invite,
  Limits,
  Member,
  Membership,
  Role,
  Session,
  SignedIn,
  Tenant,
  TenantRow,
} from "./types.ts";

type Signal = AbortSignal | undefined;

const get = <T>(url: string, signal?: Signal) => call<T>("GET", url, { signal });
const post = <T>(url: string, body: unknown) => call<T>("POST", url, { body });
const remove = (url: string) => call<unknown>("DELETE", url);

/** Coming in and going. Sessions are handed over as cookies. */
export const auth = {
  config: (signal?: Signal) => get<AuthConfig>(path(["auth", "config"]), signal),
  me: (signal?: Signal) => get<SignedIn>(path(["auth", "me"]), signal),
  logIn: (email: string, password: string) =>
    post<SignedIn>(path(["auth", "login"]), { email, password, session: "cookie" }),
  register: (profile: {
    email: string;
    password: string;
    display_name: string;
    invite?: string | undefined;
  }) => post<SignedIn>(path(["auth", "register"]), { ...profile, session: "cookie" }),
  setUp: (profile: { email: string; password: string; display_name: string; token: string }) =>
    post<SignedIn>(path(["auth", "set-up"]), { ...profile, session: "cookie" }),
  logOut: () => post<unknown>(path(["auth", "logout"]), {}),
  changePassword: (current_password: string, new_password: string) =>
    post<unknown>(path(["auth", "password"]), { current_password, new_password }),
  acceptInvite: (token: string) =>
    post<{ membership: Membership }>(path(["invites", "accept"]), { token }),
  sessions: (signal?: Signal) =>
    get<{ sessions: Session[] }>(path(["auth", "sessions"]), signal).then((x) => x.sessions),
  revokeSession: (session: string) => remove(path(["auth", "sessions", session])),
};

export interface UserPage {
  readonly users: readonly Account[];
  readonly total: number;
}

export const users = {
  list: (search: string, from: number, limit: number, signal?: Signal) =>
    get<UserPage>(path(["users"], { search, from, limit }), signal),
  show: (user: string, signal?: Signal) =>
    get<{ user: Account; memberships: Membership[] }>(path(["users", user]), signal),
  create: (user: { email: string; password: string; display_name: string; is_admin: boolean }) =>
    post<{ user: Account }>(path(["users"]), user).then((x) => x.user),
  change: (
    user: string,
    change: Partial<Pick<Account, "display_name" | "is_admin" | "is_disabled">>,
  ) => call<unknown>("PATCH", path(["users", user]), { body: change }),
  remove: (user: string) => remove(path(["users", user])),
  sessions: (user: string, signal?: Signal) =>
    get<{ sessions: Session[] }>(path(["users", user, "sessions"]), signal).then((x) => x.sessions),
  revokeSession: (user: string, session: string) =>
    remove(path(["users", user, "sessions", session])),
};

export const tenants = {
  list: (signal?: Signal) =>
    get<{ tenants: TenantRow[] }>(path(["tenants"]), signal).then((x) => x.tenants),
  create: (tenant: { id?: string; name: string }) =>
    post<{ tenant: Tenant }>(path(["tenants"]), tenant).then((x) => x.tenant),
  show: (tenant: string, signal?: Signal) =>
    get<{ tenant: Tenant }>(path(["tenants", tenant]), signal).then((x) => x.tenant),
  change: (tenant: string, change: { name?: string; limits?: Limits }) =>
    call<unknown>("PATCH", path(["tenants", tenant]), { body: change }),
  remove: (tenant: string) => remove(path(["tenants", tenant])),
  rotate: (tenant: string, slot: 1 | 2) =>
    post<{ secret: string }>(path(["tenants", tenant, "secrets", String(slot)]), {}).then(
      (x) => x.secret,
    ),

  members: (tenant: string, signal?: Signal) =>
    get<{ members: Member[] }>(path(["tenants", tenant, "members"]), signal).then((x) => x.members),
  /** `user` is an id or an e-mail. */
  setMember: (tenant: string, user: string, role: Role) =>
    call<unknown>("PUT", path(["tenants", tenant, "members", user]), { body: { role } }),
  removeMember: (tenant: string, user: string) =>
    remove(path(["tenants", tenant, "members", user])),
  revokeTokens: (tenant: string, user: string) =>
    post<unknown>(path(["tenants", tenant, "revocations"]), { user }),

  invites: (tenant: string, signal?: Signal) =>
    get<{ invites: Invite[] }>(path(["tenants", tenant, "invites"]), signal).then((x) => x.invites),
  invite: (tenant: string, email: string | null, role: Role) =>
    post<{ invite: Invite; token: string }>(path(["tenants", tenant, "invites"]), { email, role }),
  revokeInvite: (tenant: string, invite: string) =>
    remove(path(["tenants", tenant, "invites", invite])),

  apiKeys: (tenant: string, signal?: Signal) =>
    get<{ api_keys: ApiKey[] }>(path(["tenants", tenant, "api-keys"]), signal).then(
      (x) => x.api_keys,
    ),
  createApiKey: (
    tenant: string,
    key: { name: string; scopes: readonly string[]; expires_ms: number | null },
  ) => post<{ api_key: ApiKey; key: string }>(path(["tenants", tenant, "api-keys"]), key),
  revokeApiKey: (tenant: string, key: string) => remove(path(["tenants", tenant, "api-keys", key])),
};

/** A page of the log, newest first: lines before `before`, or the newest. */
export function audit(
  query: { tenant?: string; before?: number | undefined; limit: number },
  signal?: Signal,
): Promise<readonly AuditEntry[]> {
  return get<{ entries: AuditEntry[] }>(path(["audit"], query), signal).then((x) => x.entries);
}
