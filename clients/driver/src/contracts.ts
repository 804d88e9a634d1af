// The types that the package gives out besides its classes.

import type {
  IResolvedUrl,
  ISequencedDocumentMessage,
  ISignalClient,
  ISignalMessage,
} from "@fluidframework/driver-definitions/legacy";
import type * as Wire from "./generated/messages.ts";

/** How messages are written on the socket. */
export type SerializationFormat = "json" | "msgpack";

/** Who a token is for. */
export interface LeveeUser {
  readonly id: string;
  readonly name?: string;
  readonly email?: string;
  readonly additionalDetails?: Record<string, unknown>;
}

/** Where a service is and how to talk to it. */
export interface LeveeConfig {
  readonly socketUrl: string;
  readonly httpUrl: string;
  readonly tenantId?: string;
  readonly connectionTimeoutMs?: number;
  readonly debug?: boolean;
  readonly serialization?: SerializationFormat;
}

/** A token as its provider answers it. The same shape as Fluid's `ITokenResponse`. */
export interface TokenResponse {
  /** The JSON Web Token. */
  jwt: string;
  /** Whether it was there already. */
  fromCache?: boolean;
}

/**
 * Gives out tokens for documents. The same shape as routerlicious-driver's `ITokenProvider`, so
 * that a provider written for either works with both.
 */
export interface TokenProvider {
  /**
   * A token to connect with.
   *
   * @param refresh - the token given out last was refused: a cache must not answer it again
   */
  fetchOrdererToken(
    tenantId: string,
    documentId?: string,
    refresh?: boolean,
  ): Promise<TokenResponse>;
  /**
   * A token to read and write storage with.
   *
   * @param refresh - the token given out last was refused: a cache must not answer it again
   */
  fetchStorageToken(
    tenantId: string,
    documentId: string,
    refresh?: boolean,
  ): Promise<TokenResponse>;
}

/** A document's address, taken apart. */
export interface LeveeResolvedUrl extends IResolvedUrl {
  type: "fluid";
  tenantId: string;
  documentId: string;
  /** Of the Phoenix socket, without `/websocket`. */
  socketUrl: string;
  httpUrl: string;
  endpoints: {
    [name: string]: string;
    /** Path of the operations, below `httpUrl`. */
    deltaStorageUrl: string;
    storageUrl: string;
  };
}

/** What a verified token says. */
export interface LeveeTokenClaims {
  documentId: string;
  scopes: string[];
  tenantId: string;
  user: LeveeUser;
  /** Seconds since the Unix epoch. */
  iat: number;
  /** Seconds since the Unix epoch. */
  exp: number;
  ver: string;
  jti?: string;
}

/** What the service says about its limits. */
export interface ServiceConfiguration {
  /** Bytes. */
  blockSize: number;
  /** Bytes. */
  maxMessageSize: number;
  summary?: Record<string, unknown>;
}

/** The answer to a successful `connect_document`. */
export interface ConnectedResponse {
  claims: LeveeTokenClaims;
  clientId: string;
  existing: boolean;
  maxMessageSize: number;
  mode: "read" | "write";
  version: string;
  initialMessages: ISequencedDocumentMessage[];
  initialSignals: ISignalMessage[];
  initialClients: ISignalClient[];
  supportedVersions: string[];
  supportedFeatures: Record<string, unknown>;
  serviceConfiguration: ServiceConfiguration;
  checkpointSequenceNumber?: number;
}

/** Why a connection ended. */
export type DisconnectReason = "client" | "server" | "error" | "unauthorized" | "timeout";

/** What may be wrong with an operation. */
export enum NackErrorType {
  ThrottlingError = "ThrottlingError",
  InvalidScopeError = "InvalidScopeError",
  BadRequestError = "BadRequestError",
  LimitExceededError = "LimitExceededError",
  InvalidOperation = "InvalidOperation",
}

/** An operation as it is submitted. */
export interface DocumentMessageInput {
  type: string;
  contents: unknown;
  clientSequenceNumber: number;
  referenceSequenceNumber: number;
  metadata?: unknown;
  compression?: string;
}

/** A refused operation. */
export interface NackResponse {
  operation: DocumentMessageInput | undefined;
  sequenceNumber: number;
  content: {
    code: number;
    type: NackErrorType;
    message: string;
    /** Seconds. */
    retryAfter?: number;
  };
}

/** The answer of `GET /deltas`. */
export interface DeltaStorageResponse {
  value: ISequencedDocumentMessage[];
}

/** A version of a document. */
export interface DocumentVersion {
  id: string;
  treeId: string;
  date?: string;
}

/** A git blob. */
export type GitBlob = Wire.GitBlob;

/** An entry of a git tree. */
export type GitTreeEntry = Wire.GitTreeEntry;

/** A git tree. */
export type GitTree = Wire.GitTree;

/** A git reference. */
export type GitRef = Wire.GitRef;

/** Who made a commit, and when. */
export interface GitSignature {
  name: string;
  email: string;
  date?: string | number;
}

/** A git commit. */
export interface GitCommit extends Omit<Wire.GitCommit, "author" | "committer"> {
  author: GitSignature;
  committer: GitSignature;
}

/** An entry of a tree to be made. */
export interface GitCreateTreeEntry {
  path: string;
  mode?: string;
  sha: string;
  type?: string;
}

/** A tree to be made. */
export interface GitCreateTreeRequest {
  tree: GitCreateTreeEntry[];
  base_tree?: string;
}

/** A commit to be made. */
export interface GitCreateCommitRequest {
  tree: string;
  parents?: string[];
  message?: string;
  author: GitSignature;
  committer?: GitSignature;
}
