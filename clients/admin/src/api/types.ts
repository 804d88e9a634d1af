// What the service answers below `/api`. Times that end in `_ms` are milliseconds since the Unix
// epoch, those in `_s` and `created_at` seconds.

export interface Account {
  readonly id: string;
  readonly email: string;
  readonly display_name: string;
  readonly github_id: string | null;
  readonly is_admin: boolean;
  readonly is_disabled: boolean;
  readonly created_at: number;
}

export interface SignedIn {
  readonly user: Account;
  readonly csrf: string;
}

export interface AuthConfig {
  /** Whether anybody may register. */
  readonly registration: boolean;
  /** Names of services that one can sign in with: `/auth/<name>` goes there. */
  readonly providers: readonly string[];
}

export interface Session {
  readonly id: string;
  readonly door: string;
  readonly created_ms: number;
  readonly used_ms: number;
  readonly expires_ms: number;
  readonly from: string | null;
  readonly agent: string;
}

/** In the order of power. */
export const roles = ["viewer", "member", "admin", "owner"] as const;
export type Role = (typeof roles)[number];

export interface TenantRow {
  readonly id: string;
  readonly name: string;
  readonly role: Role | null;
}

export const limits = ["connections", "documents", "ops_per_second", "stored_bytes"] as const;
export type Limits = { readonly [K in (typeof limits)[number]]: number | null };

export interface Tenant {
  readonly id: string;
  readonly name: string;
  /** Empty for those who may not see it. */
  readonly secret1: string;
  readonly secret2: string;
  readonly limits: Limits;
  readonly created_at: number;
  readonly role?: Role;
}

export interface Member {
  readonly user: string;
  readonly email: string;
  readonly display_name: string;
  readonly role: Role;
  readonly since_s: number;
}

export interface Membership {
  readonly tenant: string;
  readonly user: string;
  readonly role: Role;
  readonly since_s: number;
}

export interface Invite {
  readonly id: string;
  readonly email: string | null;
  readonly role: Role;
  readonly state: "open" | "accepted" | "revoked";
  readonly created_ms: number;
  readonly expires_ms: number;
  readonly accepted_by: string | null;
}

export const scopes = ["doc:read", "doc:write", "summary:read", "summary:write"] as const;
export type Scope = (typeof scopes)[number];

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly created_ms: number;
  readonly expires_ms: number | null;
}

export interface Actor {
  readonly kind: "anonymous" | "user" | "admin_key" | "api_key" | "operator" | "service";
  readonly id?: string;
}

export interface AuditEntry {
  readonly seq: number;
  readonly at_ms: number;
  readonly actor: Actor;
  readonly from: string | null;
  readonly deed: string;
  readonly subject: string;
  readonly tenant: string | null;
  readonly before: unknown;
  readonly after: unknown;
}
