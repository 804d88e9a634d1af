/**
 * Collaborative documents of the Fluid Framework on the Levee service, for applications.
 *
 * @packageDocumentation
 */

export type { CompatibilityMode } from "@fluidframework/fluid-static";
export type {
  LeveeConfig,
  LeveeUser as DriverLeveeUser,
  SerializationFormat,
  TokenProvider,
} from "levee-driver";
export { InsecureLeveeTokenProvider, RemoteLeveeTokenProvider } from "levee-driver";
export { LeveeClient } from "./client.ts";
export type {
  ILeveeAudience,
  LeveeClientProps,
  LeveeConnectionConfig,
  LeveeContainerServices,
  LeveeContainerVersion,
  LeveeGetVersionsOptions,
  LeveeMember,
  LeveeUser,
  MinimumVersionForCollab,
} from "./interfaces.ts";
export type {
  LeveePresence,
  LeveePresenceEntry,
  LeveePresenceEvents,
  LeveePresenceReason,
} from "./presence.ts";
export { LeveePresenceError } from "./presence.ts";
