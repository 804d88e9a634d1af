// Made by schema/generate.mjs from what `levee schema` prints; do not edit.

/** Messages, REST bodies and configuration of Levee, as the service's own schema describes them. */

/** `[join_ref, ref, topic, event, payload]` from the client. */
export type PhoenixClientMessage =
  | [string | null, string | null, string, "phx_join", PhoenixJoin]
  | [string | null, string | null, string, "phx_leave", Empty]
  | [string | null, string | null, "phoenix", "heartbeat", Empty]
  | [string | null, string | null, string, "connect_document", PhoenixConnect]
  | [string | null, string | null, string, "submitOp", SubmitOp]
  | [string | null, string | null, string, "submitSignal", SubmitSignal]
  | [string | null, string | null, string, "noop", Noop]
  | [string | null, string | null, string, "requestOps", RequestOps]
  | [string | null, string | null, string, "joinPresence", PresenceMeta]
  | [string | null, string | null, string, "updatePresence", PresenceMeta]
  | [string | null, string | null, string, "leavePresence", Empty];

/** `[join_ref, ref, topic, event, payload]` from the service. */
export type PhoenixServerMessage =
  | [string | null, string | null, string, "phx_reply", PhoenixReply]
  | [string | null, string | null, string, "phx_close", Empty]
  | [string | null, string | null, string, "phx_error", Empty]
  | [string | null, string | null, string, "connect_document_success", PhoenixConnected]
  | [string | null, string | null, string, "connect_document_error", ConnectError]
  | [string | null, string | null, string, "op", Operations]
  | [string | null, string | null, string, "signal", PhoenixSignal]
  | [string | null, string | null, string, "nack", PhoenixNack]
  | [string | null, string | null, string, "presence_state", PresenceState]
  | [string | null, string | null, string, "presence_diff", PresenceDiff]
  | [string | null, string | null, string, "presence_error", PresenceError];

export type Empty = Record<string, never>;

/** Joins the topic `document:tenant:document`. */
export interface PhoenixJoin {
  /** Not looked at here; `connect_document` brings it. */
  token?: string;
}

/** Enters the document of a joined topic. */
export interface PhoenixConnect {
  /** The topic's. */
  tenantId: string;
  /** The document's, as in the topic. */
  id: string;
  /** A JWT with `TokenClaims`. */
  token: string;
  client: Client;
  mode: Mode;
  /** Version ranges that the client speaks. */
  versions?: string[];
  supportedFeatures?: ClientFeatures;
  /** Only what comes after it is wanted in `initialMessages`. */
  lastSeenSequenceNumber?: number;
}

export interface SubmitOp {
  /** The channel's. */
  clientId: string;
  /** An operation, or a list. */
  messageBatches: ClientOperations;
}

export interface SubmitSignal {
  /** The channel's. */
  clientId: string;
  contentBatches: (SubmittedSignal | SubmittedSignal[])[];
}

/** One signal. Text holds the JSON of one, or alone in `contentBatches` of a list. */
export type SubmittedSignal =
  | {
      /** Anything but null. */
      content: unknown;
      /** Only this client hears it. */
      targetClientId?: string;
      /** Only these hear it. */
      targetedClients?: string[];
      /** All but these hear it. */
      ignoredClients?: string[];
    }
  | {
      contents: {
        /** Anything but null. */
        content: unknown;
      };
    }
  | string;

/** Says what the client has seen, without an operation. */
export interface Noop {
  referenceSequenceNumber: number;
}

/** Asks for all operations after one. */
export interface RequestOps {
  from: number;
}

export type PhoenixReply =
  | {
      status: "ok";
      response: Empty;
    }
  | {
      status: "error";
      response: {
        reason: string;
      };
    };

/** A client is in its document. */
export interface PhoenixConnected {
  claims: ShownClaims;
  clientId: string;
  existing: true;
  /** Bytes of a message that the client may send. */
  maxMessageSize: number;
  /** As the token allows. */
  mode: Mode;
  serviceConfiguration: ServiceConfiguration;
  /** Others; not the client. */
  initialClients: PhoenixMember[];
  initialMessages: SequencedOperation[];
  initialSignals: PhoenixSignal[];
  /** Ranges that the service speaks. */
  supportedVersions: string[];
  supportedFeatures: ServiceFeatures;
  /** The one agreed on. */
  version: string;
  /** Number of the own join; for a reader of the newest operation. */
  checkpointSequenceNumber: number;
  /** The newest accepted summary. */
  summaryContext?: SummaryContext;
}

export interface PhoenixMember {
  clientId: string;
  /** As that client sent it. */
  client: Client;
  mode: Mode;
}

export interface SummaryContext {
  /** A version. */
  handle: string;
  sequenceNumber: number;
}

/** New operations in order. */
export interface Operations {
  documentId: string;
  /** Not empty. */
  op: SequencedOperation[];
}

export interface PhoenixSignal {
  /** The sender; null where the service speaks. */
  clientId: string | null;
  /** As sent; with Fluid's clients JSON text. */
  content: unknown;
}

/** What was submitted was refused; the client must connect anew. */
export interface PhoenixNack {
  clientId: "";
  /** Null where it is the session's. */
  operation: RefusedOperation | null;
  /** The minimum, or -1 where it is the session's. */
  sequenceNumber: number;
  content: NackContent;
  /** The same, in a list. */
  nacks: {
    /** Null where it is the session's. */
    operation: RefusedOperation | null;
    /** The minimum, or -1 where it is the session's. */
    sequenceNumber: number;
    content: NackContent;
  }[];
}

/** Appears, or changes what it says of itself. */
export interface PresenceMeta {
  /** Seen by all; up to 64 KiB of JSON. */
  meta: { [name: string]: unknown };
}

export interface PresentUser {
  /** One of each client of the user. */
  metas: {
    /** Changes with every change. */
    phx_ref: string;
    clientId: string;
    [name: string]: unknown;
  }[];
}

/** Who is present, by user id. */
export type PresenceState = { [name: string]: PresentUser };

/** A change is a leave and a join. */
export interface PresenceDiff {
  joins: { [name: string]: PresentUser };
  leaves: { [name: string]: PresentUser };
}

export interface PresenceError {
  reason: "invalid_meta" | "meta_too_large" | "not_joined";
}

/** The event packets of the client. Ids in front are the client's. */
export type SocketIoClientMessage =
  | ["connect_document", SocketIoConnect]
  | ["submitOp", string, ClientOperations]
  | ["submitSignal", string, SocketIoSignals]
  | ["ping"]
  | ["joinPresence", string, PresenceDetails]
  | ["updatePresence", string, PresenceDetails]
  | ["leavePresence", string];

/**
 * The event packets of the service. Ids in front are the document's; a nack of the session has an
 * empty one.
 */
export type SocketIoServerMessage =
  | ["connect_document_success", SocketIoConnected]
  | ["connect_document_error", ConnectError]
  | ["op", string, SequencedOperation[]]
  | ["signal", SocketIoSignal]
  | ["nack", string, SocketIoNack[]]
  | ["presence_state", string, PresenceState]
  | ["presence_diff", string, PresenceDiff]
  | ["presence_error", string, PresenceError];

/** Packet `0`: the transport is open. */
export interface EngineOpen {
  sid: string;
  /** None: there is only WebSocket. */
  upgrades: string[];
  /** Milliseconds. */
  pingInterval: number;
  /** Milliseconds. */
  pingTimeout: number;
  /** Bytes. */
  maxPayload: number;
}

/** Packet `40`. */
export interface NamespaceOpened {
  sid: string;
}

/** Packet `44`, behind the namespace's name. */
export interface NamespaceRefused {
  message: string;
}

/** Enters a document. Members for other services are ignored. */
export interface SocketIoConnect {
  tenantId: string;
  /** The document's. */
  id: string;
  /** A JWT with `TokenClaims`. */
  token: string;
  client: Client;
  mode: Mode;
  /** Version ranges that the client speaks. */
  versions: string[];
  supportedFeatures?: ClientFeatures;
}

/** Objects from a client that announced `submit_signals_v2`, else texts. */
export type SocketIoSignals = SocketIoSubmittedSignal[] | (string | string[])[];

/** Members beside these are echoed. */
export interface SocketIoSubmittedSignal {
  content: string;
  /** Only this client hears it. */
  targetClientId?: string;
  type?: string;
  clientConnectionNumber?: number;
  referenceSequenceNumber?: number;
}

/** What a client says of itself. */
export type PresenceDetails = { [name: string]: unknown };

/** A client is in its document. */
export interface SocketIoConnected {
  /** The token's, as signed. */
  claims: TokenClaims;
  clientId: string;
  existing: true;
  /** Bytes; readers are told less. */
  maxMessageSize: number;
  /** As the token allows. */
  mode: Mode;
  serviceConfiguration: ServiceConfiguration;
  /** Others; not the client. */
  initialClients: {
    clientId: string;
    /** As the service describes it. */
    client: Client;
  }[];
  initialMessages: SequencedOperation[];
  /** Empty. */
  initialSignals: unknown[];
  /** Ranges that the service speaks. */
  supportedVersions: string[];
  supportedFeatures: ServiceFeatures;
  /** The range agreed on. */
  version: string;
  /** The service's clock, milliseconds of Unix time. */
  timestamp: number;
}

/** Members beside these are the sender's. */
export interface SocketIoSignal {
  content: string;
  /** The sender; null where the service speaks. */
  clientId: string | null;
  targetClientId?: string;
  [name: string]: unknown;
}

/** What was submitted was refused; the client must connect anew. */
export interface SocketIoNack {
  /** Absent where it is the session's. */
  operation?: RefusedOperation;
  /** The minimum, or -1 for the session's. */
  sequenceNumber: number;
  content: NackContent;
}

/** What a client may submit. */
export type ClientOperationType =
  | "op"
  | "noop"
  | "summarize"
  | "propose"
  | "accept"
  | "reject"
  | "blobAttach"
  | "tripComplete"
  | "saveOp"
  | "remoteHelp";

/** An operation as a client submits it. */
export interface ClientOperation {
  /** Counts the client's operations from 1. Any other than the next is a gap or a duplicate. */
  clientSequenceNumber: number;
  /**
   * The newest operation that the client had seen; -1 stands for the newest of all, absence for 0.
   */
  referenceSequenceNumber?: number;
  /** Absence counts as `op`. */
  type?: ClientOperationType;
  /** The service never looks into it, but for summaries. */
  contents?: unknown;
  /** Goes to all clients; null counts as absent. */
  metadata?: unknown;
  /** Goes to all clients. */
  compression?: string | null;
}

/** Operations, nested to any depth, in order. */
export type ClientOperations = ClientOperation | ClientOperations[];

/** One operation of a document's order. */
export type SequencedOperation =
  | ClientSequencedOperation
  | JoinOperation
  | LeaveOperation
  | ServiceNoop
  | SummaryAckOperation
  | SummaryNackOperation;

/** A client's operation in the order. */
export interface ClientSequencedOperation {
  /** Who submitted it. */
  clientId: string;
  /** As submitted. */
  clientSequenceNumber: number;
  /** As submitted, byte for byte. */
  contents?: unknown;
  /** As submitted. */
  metadata?: unknown;
  /** As submitted. */
  compression?: string;
  type: ClientOperationType;
  /** No client's reference is below it. */
  minimumSequenceNumber: number;
  /** -1 where the service speaks. */
  referenceSequenceNumber: number;
  /** Its place in the document's order, from 1. */
  sequenceNumber: number;
  /** When it was ordered, milliseconds of Unix time. */
  timestamp: number;
}

/** A writer enters. */
export interface JoinOperation {
  clientId: null;
  clientSequenceNumber: -1;
  /** What `data` says; null on Socket.IO. */
  contents: Join | null;
  type: "join";
  /** No client's reference is below it. */
  minimumSequenceNumber: number;
  /** -1 where the service speaks. */
  referenceSequenceNumber: number;
  /** Its place in the document's order, from 1. */
  sequenceNumber: number;
  /** When it was ordered, milliseconds of Unix time. */
  timestamp: number;
  /** What it says, as JSON text. */
  data: string;
}

/** A writer leaves. */
export interface LeaveOperation {
  clientId: null;
  clientSequenceNumber: -1;
  /** The client's id, which `data` says too; null on Socket.IO. */
  contents: string | null;
  type: "leave";
  /** No client's reference is below it. */
  minimumSequenceNumber: number;
  /** -1 where the service speaks. */
  referenceSequenceNumber: number;
  /** Its place in the document's order, from 1. */
  sequenceNumber: number;
  /** When it was ordered, milliseconds of Unix time. */
  timestamp: number;
  /** What it says, as JSON text. */
  data: string;
}

/** Carries the minimum and nothing else. */
export interface ServiceNoop {
  clientId: null;
  clientSequenceNumber: -1;
  contents: null;
  type: "noop";
  /** No client's reference is below it. */
  minimumSequenceNumber: number;
  /** -1 where the service speaks. */
  referenceSequenceNumber: number;
  /** Its place in the document's order, from 1. */
  sequenceNumber: number;
  /** When it was ordered, milliseconds of Unix time. */
  timestamp: number;
}

/** A summary was accepted. */
export interface SummaryAckOperation {
  clientId: null;
  clientSequenceNumber: -1;
  contents: SummaryAck;
  type: "summaryAck";
  /** No client's reference is below it. */
  minimumSequenceNumber: number;
  /** -1 where the service speaks. */
  referenceSequenceNumber: number;
  /** Its place in the document's order, from 1. */
  sequenceNumber: number;
  /** When it was ordered, milliseconds of Unix time. */
  timestamp: number;
  /** What it says, as JSON text. */
  data: string;
}

/** A summary was refused. */
export interface SummaryNackOperation {
  clientId: null;
  clientSequenceNumber: -1;
  contents: SummaryNack;
  type: "summaryNack";
  /** No client's reference is below it. */
  minimumSequenceNumber: number;
  /** -1 where the service speaks. */
  referenceSequenceNumber: number;
  /** Its place in the document's order, from 1. */
  sequenceNumber: number;
  /** When it was ordered, milliseconds of Unix time. */
  timestamp: number;
  /** What it says, as JSON text. */
  data: string;
}

/** Who enters: the `data` of a join. */
export interface Join {
  clientId: string;
  /** As the client sent it. */
  detail: Client;
}

/** The contents of a `summarize`, or the JSON of its text. */
export interface Summarize {
  /** The uploaded tree, or on Levee's wire a commit. */
  handle: string;
  /** The version that the summary builds on. */
  head?: string | null;
  /** Versions, which must exist. */
  parents?: string[] | null;
  /** Becomes the version's message. */
  message?: string | null;
}

export interface SummaryProposal {
  /** Number of the `summarize`. */
  summarySequenceNumber: number;
}

/** The contents of a `summaryAck`. */
export interface SummaryAck {
  /** The new version. */
  handle: string;
  /** What is answered. */
  summaryProposal: SummaryProposal;
}

/** The contents of a `summaryNack`. */
export interface SummaryNack {
  /** Why. */
  message: string;
  /** What is answered. */
  summaryProposal: SummaryProposal;
  /** Seconds after which to try again. */
  retryAfter?: number;
}

/**
 * The content of a signal without a sender, as JSON text: a client enters or leaves, readers too.
 */
export type SystemSignal = JoinSignal | LeaveSignal;

export interface JoinSignal {
  type: "join";
  content: {
    clientId: string;
    /** As the client sent it. */
    client: Client;
  };
}

export interface LeaveSignal {
  type: "leave";
  /** A client's id. */
  content: string;
}

/** Why operations were refused. */
export interface NackContent {
  /** 403 is final, 429 and 503 come with `retryAfter`, after others connect anew. */
  code: number;
  type: "ThrottlingError" | "InvalidScopeError" | "BadRequestError" | "LimitExceededError";
  /** For people. */
  message: string;
  /** Seconds after which to come back. */
  retryAfter?: number;
}

/** The refused operation, as it was submitted. */
export type RefusedOperation = { [name: string]: unknown };

/** Whether a client writes or only reads. */
export type Mode = "read" | "write";

/** A person. */
export interface User {
  id: string;
  name?: string;
}

/**
 * A client as it describes itself; Fluid's `IClient`. Other clients see it as it was sent, further
 * members included.
 */
export interface Client {
  mode: Mode;
  details: {
    capabilities: {
      /** False for a summarizer and other machines. */
      interactive: boolean;
    };
    type?: string;
    environment?: string;
  };
  permission: string[];
  /** The token's decide. */
  scopes: string[];
  user: User;
}

/** One right. Other names grant nothing. */
export type Scope = "doc:read" | "doc:write" | "summary:read" | "summary:write";

/** The claims of a document's token, a JWT signed with HS256. Times are seconds of Unix time. */
export interface TokenClaims {
  tenantId: string;
  /** Empty for a document that has no id yet. */
  documentId: string;
  /** Not valid from then on. */
  exp: number;
  /** Without them the token grants nothing. */
  scopes?: string[];
  /** Its `id` is the person's name among other clients. */
  user?: { [name: string]: unknown };
  iat?: number;
  /** Not valid before. */
  nbf?: number;
  /** `1.0` */
  ver?: unknown;
  jti?: string;
}

/** What a Phoenix client is told of its token. */
export interface ShownClaims {
  user: {
    id: string | null;
  };
  documentId: string;
  scopes?: string[];
  tenantId: string;
  iat?: number;
  exp: number;
  ver?: unknown;
}

export interface ServiceConfiguration {
  blockSize: number;
  /** Bytes. */
  maxMessageSize: number;
}

/** What a client can do. */
export interface ClientFeatures {
  submit_signals_v2?: boolean;
}

/** What the service can do. */
export interface ServiceFeatures {
  /** As agreed with the client. */
  submit_signals_v2: boolean;
  /** Server-backed presence. */
  presence_v1: true;
}

/** Why a `connect_document` was refused. */
export interface ConnectError {
  /** 401: with a new token; 403 and 404: final. */
  code: number;
  /** For people. */
  message: string;
  /** Come back after so many milliseconds. */
  retryAfterMs?: number;
}

/** Makes a document, whole and durable before it is answered. */
export interface CreateDocument {
  /** Else the service makes one. */
  id?: string | null;
  /** Only Levee's wire goes without. */
  summary?: SummaryTree | NoSummary | null;
  /** Where its order begins. */
  sequenceNumber?: number | null;
  /** The quorum's, `[[key, value], …]`. */
  values?: unknown[] | null;
  /** Truthy: the answer holds the session. */
  enableDiscovery?: unknown;
  /** Truthy: the answer holds a token. */
  generateToken?: unknown;
}

/** The document's id, alone where nothing else was asked for. */
export type CreatedDocument =
  | string
  | {
      id: string;
      /** Proves for five minutes who made it. */
      token?: string;
      session?: Session;
    };

export interface DocumentDescription {
  id: string;
  /** The same. */
  documentId: string;
  tenantId: string;
  /** Of the newest operation. */
  sequenceNumber: number;
}

/** Where to connect. */
export interface Session {
  ordererUrl: string;
  historianUrl: string;
  deltaStreamUrl: string;
  isSessionAlive: boolean;
  isSessionActive: boolean;
}

export type FluidDeltas = SequencedOperation[];

export interface LeveeDeltas {
  value: SequencedOperation[];
}

/** A signal of the app's own service to everyone in a document. */
export interface BroadcastSignal {
  /** Up to 64 KiB. */
  signalContent: { [name: string]: unknown };
}

export interface Status {
  status: "ok" | "read-only" | "unavailable";
  /** Why documents cannot be written. */
  reason?: string;
}

/** Why a request was not done, on Fluid's wire. */
export interface FluidFailure {
  /** The HTTP status. */
  code: number;
  /** For people. */
  message: string;
  /** The same request may succeed later. */
  canRetry: boolean;
  isFatal?: boolean;
  /** Come back after so many milliseconds. */
  retryAfter?: number;
}

/** Why a request was not done, on Levee's wire. */
export type LeveeFailure =
  | {
      /** For people. */
      error: string;
      /** The same request may succeed later. */
      canRetry?: true;
      /** Come back after so many milliseconds. */
      retryAfter?: number;
    }
  | {
      errors: {
        /** For people. */
        detail: string;
      };
    };

/** Lower-case hex of a SHA-1. */
export type ObjectId = string;

export interface ObjectReference {
  sha: ObjectId;
  /** Empty on Fluid's wire. */
  url: string;
}

export interface CreateBlob {
  content: BlobContent;
  /** `base64`; any other word means the text. */
  encoding?: string | null;
}

/** Text, or bytes in the forms that JavaScript's JSON gives them. */
export type BlobContent =
  | string
  | number[]
  | {
      data: number[];
    }
  | { [name: string]: number };

export interface GitBlob {
  sha: ObjectId;
  /** Bytes. */
  size: number;
  content: string;
  encoding: "base64";
  /** Empty on Fluid's wire. */
  url: string;
}

export interface CreateTree {
  tree: {
    path: string;
    /** An id, or a path in the current version. */
    sha: string;
  }[];
}

export interface GitTree {
  sha: ObjectId;
  /** Empty on Fluid's wire. */
  url: string;
  tree: GitTreeEntry[];
}

export interface GitTreeEntry {
  /** With `recursive` from the listed tree down. */
  path: string;
  /** Octal. */
  mode: string;
  sha: ObjectId;
  /** 0 on Fluid's wire, absent on Levee's. */
  size?: number;
  type: "blob" | "tree";
  /** Empty on Fluid's wire. */
  url: string;
}

/**
 * Who and when: `name`, `email` and `date`, as the committing client sent it, else with an ISO
 * date.
 */
export type GitSignature = { [name: string]: unknown };

export interface CreateCommit {
  /** A tree's id. */
  tree: string;
  /** Commits' ids. */
  parents?: string[] | null;
  message?: string | null;
  /** Levee's wire demands it. */
  author?: GitSignature | null;
  committer?: GitSignature | null;
}

export interface GitCommit {
  sha: ObjectId;
  parents: ObjectReference[];
  /** Empty on Fluid's wire. */
  url: string;
  author: GitSignature;
  committer: GitSignature;
  message: string;
  tree: ObjectReference;
}

/** A version in a document's history. */
export interface DocumentVersion {
  sha: ObjectId;
  /** Empty on Fluid's wire. */
  url: string;
  commit: {
    /** Empty on Fluid's wire. */
    url: string;
    author: GitSignature;
    committer: GitSignature;
    message: string;
    tree: ObjectReference;
  };
  parents: ObjectReference[];
}

/** Newest first. */
export type DocumentVersions = DocumentVersion[];

export interface CreateRef {
  ref: string;
  /** A commit's id. */
  sha: string;
}

export interface UpdateRef {
  /** A commit's id. */
  sha: string;
}

/** The one reference of a document. */
export interface GitRef {
  ref: string;
  object: {
    sha: ObjectId;
    type: "" | "commit";
    /** Empty on Fluid's wire. */
    url: string;
  };
  /** Empty on Fluid's wire. */
  url: string;
}

export type GitRefs = GitRef[];

/** A part of a summary. */
export type SummaryNode = SummaryTree | SummaryBlob | SummaryHandle | SummaryAttachment;

/** A summary in one body: Fluid's `ISummaryTree`, or the form with `entries`. */
export type SummaryTree =
  | {
      /** By raw name. */
      tree: { [name: string]: SummaryNode };
      /** Not looked at. */
      type?: unknown;
    }
  | {
      entries: {
        path: string;
        value?: SummaryNode | null;
        /** An object that is there already. */
        id?: string | null;
      }[];
      /** Not looked at. */
      type?: unknown;
    };

/** Nothing that makes a part of a summary. */
export interface NoSummary {
  tree?: null;
  entries?: null;
  content?: null;
  handle?: null;
  id?: null;
}

export interface SummaryBlob {
  content: BlobContent;
  /** `base64`; any other word means the text. */
  encoding?: string | null;
  /** Not looked at. */
  type?: unknown;
}

export interface SummaryHandle {
  /** A path in the previous version. */
  handle: string;
  /** Not looked at. */
  type?: unknown;
}

export interface SummaryAttachment {
  /** Its blob. */
  id: string;
  /** Not looked at. */
  type?: unknown;
}

export interface UploadedSummary {
  /** The handle of a `summarize`. */
  id: ObjectId;
}

/** A version with all its blobs. */
export interface Snapshot {
  /** The version's. */
  id: ObjectId;
  /** One. */
  trees: {
    id: ObjectId;
    /** The version contains everything up to it. */
    sequenceNumber: number;
    /** Parents before their children. */
    entries: {
      /** The app's part stands below `.app`. */
      path: string;
      type: "blob" | "tree";
      /** Of a blob. */
      id?: ObjectId;
    }[];
  }[];
  /** Each once. */
  blobs: {
    id: ObjectId;
    content: string;
    encoding: "utf-8" | "base64";
    /** Bytes. */
    size: number;
  }[];
}

/** What every failure says. */
export interface ApiFailure {
  error: {
    /** For programs. */
    code: string;
    /** For people. */
    message: string;
  };
}

/** It is done. */
export interface Done {
  message: string;
}

/** How one can sign in. */
export interface SignInWays {
  /** Anybody may register. */
  registration: boolean;
  /** Each at `/auth/<name>`. */
  providers: string[];
}

/** A new account. */
export interface Registration {
  email: string;
  /** 8 characters to 1024 bytes. */
  password: string;
  /** Without one, what stands before the `@`. */
  display_name?: string | null;
  /** The token of an invite. */
  invite?: string | null;
  /** How it is handed over. */
  session?: "token" | "cookie";
}

/** The first administrator. */
export interface SetUp {
  email: string;
  /** 8 characters to 1024 bytes. */
  password: string;
  /** Without one, what stands before the `@`. */
  display_name?: string | null;
  /** The token of an invite. */
  invite?: string | null;
  /** How it is handed over. */
  session?: "token" | "cookie";
  /** Out of the link of the first start. */
  token: string;
}

export interface Login {
  email: string;
  password: string;
  /** How it is handed over. */
  session?: "token" | "cookie";
}

/** A code out of a redirect, good once. */
export interface SessionCode {
  code: string;
}

/** A new session. */
export interface SignedIn {
  user: Account;
  /** `ses_…`, for `Authorization: Bearer`. */
  token?: string;
  /** With a cookie: for `X-CSRF-Token`. */
  csrf?: string;
}

export interface OwnAccount {
  user: Account;
  /** With a cookie. */
  csrf?: string;
}

export interface NewPassword {
  current_password: string;
  new_password: string;
}

/** An account, without its secrets. */
export interface Account {
  id: string;
  /** Empty if another service told none. */
  email: string;
  display_name: string;
  github_id: string | null;
  /** Administers the whole service. */
  is_admin: boolean;
  is_disabled: boolean;
  /** Unix time in seconds. */
  created_at: number;
}

/** Times are milliseconds of Unix time. */
export interface UserSession {
  /** Names it; no use as a token. */
  id: string;
  /** How it was opened. */
  door: string;
  created_ms: number;
  used_ms: number;
  expires_ms: number;
  /** An address. */
  from: string | null;
  /** `User-Agent` */
  agent: string;
}

export interface Sessions {
  sessions: UserSession[];
}

/** A page of accounts. */
export interface Users {
  users: Account[];
  /** That fit the search. */
  total: number;
}

export interface NewUser {
  email: string;
  password: string;
  display_name?: string;
  is_admin?: boolean;
}

/** What is absent stays. */
export interface UserChange {
  display_name?: string | null;
  is_admin?: boolean | null;
  is_disabled?: boolean | null;
}

export interface OneUser {
  user: Account;
  /** When one is asked for. */
  memberships?: Membership[];
}

/** What a tenant may use; null is no limit. */
export interface TenantLimits {
  connections?: number | null;
  documents?: number | null;
  ops_per_second?: number | null;
  stored_bytes?: number | null;
}

export interface Tenants {
  tenants: {
    id: string;
    name: string;
    /** One's own. */
    role: Role | null;
  }[];
}

export interface NewTenant {
  /** Without one it is made up. */
  id?: string | null;
  name: string;
  limits?: TenantLimits;
}

/** What is absent stays. */
export interface TenantChange {
  name?: string | null;
  /** For administrators only. */
  limits?: TenantLimits | null;
}

export interface OneTenant {
  tenant: {
    id: string;
    name: string;
    /** Empty but for owners. */
    secret1: string;
    /** Empty but for owners. */
    secret2: string;
    limits: TenantLimits;
    /** Unix time in seconds. */
    created_at: number;
    /** One's own, when it is asked for. */
    role?: Role;
  };
}

export interface NewSecret {
  /** 64 hexadecimal digits. */
  secret: string;
}

export type Role = "viewer" | "member" | "admin" | "owner";

export interface Membership {
  tenant: string;
  user: string;
  role: Role;
  since_s: number;
}

export interface Members {
  members: {
    user: string;
    email: string;
    display_name: string;
    role: Role;
    since_s: number;
  }[];
}

export interface NewRole {
  role: Role;
}

/** Times are milliseconds of Unix time. */
export interface Invite {
  id: string;
  /** Only this address may accept it. */
  email: string | null;
  role: Role;
  state: "open" | "accepted" | "revoked";
  created_ms: number;
  expires_ms: number;
  /** A user. */
  accepted_by: string | null;
}

export interface Invites {
  invites: Invite[];
}

export interface NewInvite {
  /** Whose it is; else whoever has it. */
  email?: string | null;
  role: Role;
}

export interface MadeInvite {
  invite: Invite;
  /** Shown this once. */
  token: string;
}

export interface InviteToken {
  token: string;
}

export interface Joined {
  membership: Membership;
}

/** With a session the token is for its user. With an API key `user` says for whom. */
export interface MintRequest {
  /** May be empty. */
  documentId: string;
  /** A person's `id` and `name`. */
  user?: unknown;
  /** No more than the API key has. */
  scopes?: Scope[];
}

export interface MintedToken {
  /** A document's token. */
  jwt: string;
  /** Seconds. */
  expiresIn: number;
  user: {
    id: string;
    name: string;
  };
}

/** Either one token, or all tokens of a user that have been issued until now. */
export interface TokenRevocation {
  jti?: string | null;
  user?: string | null;
  /** The token's own end, Unix time in seconds. */
  expires?: number | null;
}

/** Times are milliseconds of Unix time. */
export interface ApiKey {
  id: string;
  name: string;
  scopes: Scope[];
  created_ms: number;
  expires_ms: number | null;
}

export interface ApiKeys {
  api_keys: ApiKey[];
}

export interface NewApiKey {
  name: string;
  scopes: Scope[];
  expires_ms?: number | null;
}

export interface MadeApiKey {
  api_key: ApiKey;
  /** Shown this once. */
  key: string;
}

/** Who did what, when and from where. */
export interface AuditEntry {
  /** Counted from 1, without a gap. */
  seq: number;
  /** Milliseconds of Unix time. */
  at_ms: number;
  actor: {
    kind: string;
    id?: string;
  };
  /** An address. */
  from: string | null;
  deed: string;
  /** `user/usr_…`, `tenant/acme`. */
  subject: string;
  tenant: string | null;
  before: unknown;
  after: unknown;
}

/** Newest first. */
export interface AuditLog {
  entries: AuditEntry[];
}

/** A document. */
export interface StoredDocument {
  id: string;
  tenant_id: string;
  /** The last operation's. */
  sequence_number: number;
  /** Empty where it is not known. */
  created_at: string;
  /** Empty where it is not known. */
  updated_at: string;
  /** It is in memory. */
  session_alive: boolean;
  /** The last summary's commit. */
  version: string | null;
}

export interface StoredDocuments {
  documents: StoredDocument[];
  /** `from` of the next page. */
  next: string | null;
}

export interface StoredDocumentView {
  document: StoredDocument;
  /** Null: not in memory. */
  session: DocumentSession | null;
}

/** A document in memory. */
export interface DocumentSession {
  tenant_id: string;
  document_id: string;
  current_sn: number;
  current_msn: number;
  /** Operations in memory. */
  history_size: number;
  client_count: number;
  client_ids: string[];
  members: SessionMember[];
}

/** A connected client. */
export interface SessionMember {
  client_id: string;
  user: string;
  mode: Mode;
  wire: "phoenix" | "phoenix-msgpack" | "socket.io";
  /** As it describes itself. */
  client: unknown;
  /** Of writers. */
  client_sequence_number: number | null;
  /** Of writers. */
  reference_sequence_number: number | null;
}

export interface StoredOperations {
  deltas: StoredOperation[];
}

export interface StoredOperation {
  sequence_number: number;
  client_id: string | null;
  client_sequence_number: number;
  reference_sequence_number: number;
  minimum_sequence_number: number;
  type: string;
  /** A text as it is, anything else as indented JSON. */
  contents: string;
  /** The same. */
  metadata: string;
  /** Milliseconds of Unix time. */
  timestamp: number;
}

export interface StoredSummaries {
  summaries: {
    handle: string;
    tenant_id: string;
    document_id: string;
    sequence_number: number;
    tree_sha: string;
    commit_sha: string;
    parent_handle: string | null;
    message: string | null;
    created_at: string;
  }[];
  /** Where the next page begins. */
  next: string | null;
}

export interface StoredRefs {
  refs: {
    ref: string;
    sha: string;
  }[];
  /** Where the next page begins. */
  next: string | null;
}

export interface StoredBlob {
  blob: {
    sha: string;
    /** Bytes. */
    size: number;
    content: string;
    encoding: "utf-8" | "base64";
    is_text: boolean;
    document_id: string;
  };
}

export interface StoredTree {
  tree: {
    sha: string;
    tree: {
      path: string;
      mode: string;
      sha: string;
      type: "blob" | "tree";
    }[];
    document_id: string;
  };
}

export interface StoredCommit {
  commit: {
    sha: string;
    tree: string;
    parents: string[];
    message: string;
    author: unknown;
    committer: unknown;
    document_id: string;
  };
}

/** Figures by name. */
export interface CoreFigures {
  core: number;
  partitions: {
    partition: number;
    [name: string]: unknown;
  }[];
  [name: string]: unknown;
}

export interface Figures {
  cores: CoreFigures[];
}

/** The file of `--config`. */
export interface Configuration {
  /**
   * Addresses to listen on, separated by commas. Port 0 takes a free port. PORT=4000 means
   * 0.0.0.0:4000 (with --dev 127.0.0.1:4000).
   */
  listen?: string | string[];
  /** Cores to serve with, one pinned thread each; 0 takes every CPU the process may use. */
  cores?: number | string;
  /**
   * CPUs to use, as in 0-3,6: each core is pinned to one of them, other threads to all. Empty takes
   * those the process may use.
   */
  cpus?: string | number | (string | number)[];
  /** auto uses io_uring, and epoll where the kernel or a sandbox forbids the ring. */
  runtime?: "auto" | "epoll";
  /** Directory of the data; made if absent. */
  data?: string;
  /** fjall keeps documents on disk behind the commit log; memory forgets them at exit. */
  store?: "fjall" | "memory";
  /**
   * What an acknowledged operation survives: power (a power cut: written and synced), process (a
   * killed process: written), memory (nothing).
   */
  durability?: "power" | "process" | "memory";
  /**
   * Partitions of a new data directory, fixed when it is made; 0 takes the larger of 8 and the
   * cores. Data opens on any number of cores.
   */
  partitions?: number | string;
  /** Start although the commit log is damaged before its last sync; what is lost is named. */
  accept_damage?: boolean | "true" | "false";
  /**
   * The address clients reach the service by, when a proxy is in front; empty takes it from each
   * request's Host.
   */
  public_url?: string;
  /** Key of the admin interface. */
  admin_key?: string;
  /** File that holds admin_key. */
  admin_key_file?: string;
  /** Least level of the lines written to standard error. */
  log?: "error" | "warn" | "info" | "debug" | "trace";
  /** On SIGTERM the sockets' goodbyes are spread over this time. */
  drain_ms?: number | string;
  /** Sockets still open so long after SIGTERM are cut. */
  drain_deadline_ms?: number | string;
  /**
   * Anybody who reaches the service may make an account. Closed, it takes an invite or an
   * administrator. With --dev the default is true. Nobody becomes an administrator by registering.
   */
  open_registration?: boolean | "true" | "false";
  /**
   * Everybody becomes a member of every tenant when they register or log in. With --dev the default
   * is true. LEVEE_DISABLE_AUTO_MEMBERSHIP=true means false.
   */
  auto_membership?: boolean | "true" | "false";
  /** A session that is not used for this long ends. */
  session_idle_ms?: number | string;
  /** A session ends this long after its login, used or not. */
  session_ms?: number | string;
  /** Life of a minted document token, in whole seconds. */
  token_ms?: number | string;
  /** Largest WebSocket message. */
  frame_bytes_max?: number | string;
  /** Largest REST body. */
  body_bytes_max?: number | string;
  /** Most operations in one submitOp. */
  batch_ops_max?: number | string;
  /**
   * Bytes of requests and messages still on their way in, per core; who sends more has to come
   * back.
   */
  unfinished_bytes_max?: number | string;
  /** Bytes that may wait for one socket; a slower reader is disconnected. */
  outbox_bytes_max?: number | string;
  /**
   * Bytes of one document that may wait for the disk; until they are less its writers are
   * throttled.
   */
  pending_bytes_max?: number | string;
  /** Open sockets from one address, per core. */
  sockets_per_address_max?: number | string;
  /** Open sockets per core. */
  sockets_max?: number | string;
  /** Operations one client may submit in a second. */
  ops_per_second_max?: number | string;
  /** Signals one client may submit in a second. */
  signals_per_second_max?: number | string;
  /** Clients of one document. */
  clients_per_document_max?: number | string;
  /**
   * A writer that holds back the minimum sequence number and says nothing for this long is taken
   * out of the quorum.
   */
  idle_writer_ms?: number | string;
  /** A document without clients leaves memory after this long. */
  idle_document_ms?: number | string;
  /** A socket that has not sent its whole request or handshake by then is closed. */
  handshake_ms?: number | string;
  /** Whose tokens are accepted. */
  tenant?: Tenant[];
  /** Services to sign in with. */
  provider?: Provider[];
}

/** One tenant. */
export type Tenant =
  | {
      id: string;
      name?: string;
      /** Accepted too, while the first is being replaced. */
      key2?: string;
      /** File that holds `key2`. */
      key2_file?: string;
      /** Signs its clients' tokens. */
      key: string;
      /** File that holds `key`. */
      key_file?: string;
    }
  | {
      id: string;
      name?: string;
      /** Accepted too, while the first is being replaced. */
      key2?: string;
      /** File that holds `key2`. */
      key2_file?: string;
      /** File that holds `key`. */
      key_file: string;
      /** Signs its clients' tokens. */
      key?: string;
    };

/** One service to sign in with. It has `client_secret` or `client_secret_file`. */
export interface Provider {
  /** In paths: `/auth/<name>`. */
  name: string;
  kind: "github" | "openid";
  client_id: string;
  client_secret?: string;
  /** File that holds `client_secret`. */
  client_secret_file?: string;
  /** Of OpenID Connect. */
  issuer?: string;
  /** Of a GitHub Enterprise server. */
  url?: string;
  /** Of a GitHub Enterprise server's API. */
  api_url?: string;
  /** Where the service sends the browser back to. */
  redirect_uri?: string;
  /** Logins or e-mails that may come in. */
  allowed_users?: string[];
  /** Their members may come in. */
  allowed_organizations?: string[];
  /** Logins or e-mails that become administrators. */
  admin_users?: string[];
  /** Pages that a login may end at, word for word. */
  redirect_urls?: string[];
}
