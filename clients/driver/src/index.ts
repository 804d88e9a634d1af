/**
 * Fluid Framework driver for the Levee service.
 *
 * @packageDocumentation
 */

export type {
  ConnectedResponse,
  DeltaStorageResponse,
  DisconnectReason,
  DocumentMessageInput,
  DocumentVersion,
  GitBlob,
  GitCommit,
  GitCreateCommitRequest,
  GitCreateTreeEntry,
  GitCreateTreeRequest,
  GitRef,
  GitSignature,
  GitTree,
  GitTreeEntry,
  LeveeConfig,
  LeveeResolvedUrl,
  LeveeTokenClaims,
  LeveeUser,
  NackResponse,
  SerializationFormat,
  ServiceConfiguration,
  TokenProvider,
  TokenResponse,
} from "./contracts.ts";
export { NackErrorType } from "./contracts.ts";
export { isDebugEnabled, LeveeDebugLogger } from "./debug.ts";
export {
  type DeltaConnectionEvents,
  type DeltaConnectionOptions,
  LeveeDeltaConnection,
} from "./deltaConnection.ts";
export { LeveeDeltaStorageService } from "./deltaStorageService.ts";
export {
  type ConnectionListener,
  type DocumentServiceEvents,
  LeveeDocumentService,
} from "./documentService.ts";
export { LeveeDocumentServiceFactory } from "./documentServiceFactory.ts";
export { Emitter, type ListenerOf } from "./emitter.ts";
export { LeveeError, type LeveeErrorDetails, type LeveeErrorType, RestError } from "./errors.ts";
export { GitManager } from "./gitManager.ts";
export { InsecureLeveeTokenProvider } from "./insecureTokenProvider.ts";
export {
  normalizeConnectedResponse,
  normalizeKeys,
  normalizeNackPayload,
  normalizeOpPayload,
} from "./normalize.ts";
export {
  LeveePresence,
  type PresenceEvents,
  type PresenceMeta,
  type PresenceState,
} from "./presence.ts";
export { RemoteLeveeTokenProvider } from "./remoteTokenProvider.ts";
export { type RestRequestOptions, RestWrapper } from "./rest.ts";
export { LeveeStorageService } from "./storageService.ts";
export { deriveSocketUrl, LeveeUrlResolver } from "./urlResolver.ts";
