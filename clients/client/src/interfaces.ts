import type { IConfigProviderBase, ITelemetryBaseLogger } from "@fluidframework/core-interfaces";
import type { IMember, IServiceAudience } from "@fluidframework/fluid-static";
import type { SerializationFormat, TokenProvider } from "levee-driver";
import type { LeveePresence } from "./presence.ts";

/**
 * Who uses the app: what the other members of a document see of this client.
 *
 * @public
 */
export interface LeveeUser {
  /** Unique among the users of the tenant; one user may be connected more than once. */
  readonly id: string;
  /** What the other members are shown. */
  readonly name: string;
  /** Whatever else the app wants its members to know of a user; must survive JSON. */
  readonly additionalDetails?: Record<string, unknown>;
}

/**
 * How to reach the service, and as whom.
 *
 * @remarks One source of tokens is needed. Where several are given, `tokenProvider` goes before
 * `tenantKey`, and `tenantKey` before `authToken`.
 *
 * @public
 */
export interface LeveeConnectionConfig {
  /** The service's address, as `https://levee.example.com`. */
  readonly httpUrl: string;
  /** The address of its WebSocket; derived from `httpUrl` where absent. */
  readonly socketUrl?: string;
  /** The tenant that the documents belong to. Default `fluid`. */
  readonly tenantId?: string;
  /** Development only: the tenant's key, with which the client signs its own tokens. */
  readonly tenantKey?: string;
  /** Who uses the app. With `authToken` it may be left to the service, which knows. */
  readonly user?: LeveeUser;
  /** The user's session at the service, exchanged for document tokens by its token mint. */
  readonly authToken?: string;
  /** Fetches tokens from the app's own back end. */
  readonly tokenProvider?: TokenProvider;
  /** How messages are written on the WebSocket. Default `json`. */
  readonly serialization?: SerializationFormat;
  /** Logs every request and message to the console. Default `false`. */
  readonly debug?: boolean;
}

/**
 * What a {@link LeveeClient} is made from.
 *
 * @public
 */
export interface LeveeClientProps {
  /** How to reach the service, and as whom. */
  readonly connection: LeveeConnectionConfig;
  /** Receives Fluid's telemetry. */
  readonly logger?: ITelemetryBaseLogger;
  /** Turns Fluid's feature gates. If in doubt, leave it out. */
  readonly configProvider?: IConfigProviderBase;
}

/**
 * A user in a document's audience, with every connection the user has to it.
 *
 * @public
 */
export interface LeveeMember extends IMember {
  /** The user's name; the id where the user's client told no name. */
  readonly name: string;
  /** What {@link LeveeUser.additionalDetails} of the user's client says. */
  readonly additionalDetails?: unknown;
}

/**
 * Who is connected to a document.
 *
 * @public
 */
export type ILeveeAudience = IServiceAudience<LeveeMember>;

/**
 * What the service offers for one open document, beside the document.
 *
 * @public
 */
export interface LeveeContainerServices {
  /** The users who are connected, and listeners for who comes and goes. */
  audience: ILeveeAudience;

  /**
   * The document's server-backed presence: what each client says of itself right now, kept by the
   * service and gone with the client's connection.
   *
   * @remarks Fluid's own `getPresence(container)` works as well, and costs signals between the
   * clients; this one is kept by the service, so that whoever comes late has the whole list at once,
   * and a client that dies is gone from it without a time-out.
   *
   * @typeParam TState - What each client says of itself.
   * @param isState - Tells whether what another client said has the app's form; whoever says
   * something else is left out. The document's presence is one: the first call's check holds.
   */
  presence<TState extends object = Record<string, unknown>>(
    isState?: (state: object) => state is TState,
  ): LeveePresence<TState>;
}

/**
 * A stored version of a document.
 *
 * @public
 */
export interface LeveeContainerVersion {
  /** The version's id. */
  id: string;
  /** When it was made, ISO 8601. */
  date?: string;
}

/**
 * Which versions to list.
 *
 * @public
 */
export interface LeveeGetVersionsOptions {
  /** How many at most, the newest first. Default 5. */
  maxCount: number;
}

/**
 * The oldest Fluid version that other clients of the document may have, as `2.0.0`.
 *
 * @public
 */
export type MinimumVersionForCollab =
  | `${1 | 2}.${bigint}.${bigint}`
  | `${1 | 2}.${bigint}.${bigint}-${string}`;
