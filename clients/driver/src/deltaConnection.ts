// A document's stream of operations: one Phoenix socket with one channel.

import type {
  ConnectionMode,
  IClient,
  IDocumentDeltaConnection,
  IDocumentMessage,
  INack,
  ISequencedDocumentMessage,
  ISignalClient,
  ISignalMessage,
} from "@fluidframework/driver-definitions/legacy";
import type { Channel } from "phoenix";
import type { ConnectedResponse, SerializationFormat } from "./contracts.ts";
import { LeveeDebugLogger } from "./debug.ts";
import { Emitter } from "./emitter.ts";
import { connectDocumentError, LeveeError, networkError } from "./errors.ts";
import type {
  ClientOperation,
  PhoenixClientMessage,
  PhoenixConnect,
} from "./generated/messages.ts";
import {
  normalizeConnectedResponse,
  normalizeNackPayload,
  normalizeOpPayload,
} from "./normalize.ts";
import { LeveePresence } from "./presence.ts";
import { borrowSocket, type PooledSocket } from "./socketPool.ts";

const SOCKET_TIMEOUT_MS = 10_000;
/** Of the join, and again of `connect_document`. */
const ANSWER_TIMEOUT_MS = 30_000;
/** Operations and signals kept for a reader that has not come yet, and for a connection likewise. */
const QUEUED_MAX = 10_000;
/**
 * How long `phoenix` waits for a reply to a push. The service answers none of ours, and every push
 * that waits slows down all that is received.
 */
const NO_REPLY_TIMEOUT_MS = 1;
/** Ranges of the protocol's versions, as Fluid's own drivers send them. */
const VERSIONS = ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"];

/** The events of {@link LeveeDeltaConnection}. */
export type DeltaConnectionEvents = {
  op: readonly [documentId: string, messages: ISequencedDocumentMessage[]];
  signal: readonly [message: ISignalMessage];
  nack: readonly [documentId: string, nacks: INack[]];
  /** Round-trip time, milliseconds. */
  pong: readonly [latency: number];
  /** The connection has ended; it cannot be used any more. */
  disconnect: readonly [reason: LeveeError];
  error: readonly [error: LeveeError];
};

type PayloadOf<Event> = Extract<PhoenixClientMessage, readonly [...unknown[], Event, unknown]>[4];

/** What {@link LeveeDeltaConnection.begin} needs to know. */
export interface DeltaConnectionOptions {
  /** As in `ws://host/socket`. */
  readonly socketUrl: string;
  readonly tenantId: string;
  readonly documentId: string;
  readonly token: string;
  readonly client: IClient;
  readonly mode?: ConnectionMode | undefined;
  readonly debug?: boolean | undefined;
  readonly serialization?: SerializationFormat | undefined;
  /** How long the socket's handshake may take. */
  readonly socketTimeoutMs?: number | undefined;
  /** How long the answer to the join may take, and again that to `connect_document`. */
  readonly answerTimeoutMs?: number | undefined;
}

/**
 * Fluid's connection to a document. Emits `op`, `signal`, `nack`, `pong`, `disconnect`, `error`.
 */
export class LeveeDeltaConnection
  extends Emitter<DeltaConnectionEvents>
  implements IDocumentDeltaConnection
{
  /** Settles when the connection stands, or with a {@link LeveeError} that says why it does not. */
  readonly ready: Promise<void>;
  /** Server-backed presence on this connection. */
  readonly presence: LeveePresence = new LeveePresence((event, payload) => {
    if (this.#connected === undefined) throw notConnected();
    if (!this.#disposed) this.#channel?.push(event, payload, NO_REPLY_TIMEOUT_MS);
  });

  readonly #options: DeltaConnectionOptions;
  /** The client as it goes over the wire: what the others see of it must be the same text. */
  readonly #client: IClient;
  readonly #debug: LeveeDebugLogger;
  #socket: PooledSocket | undefined;
  #channel: Channel | undefined;
  #connected: ConnectedResponse | undefined;
  #disposed = false;
  #abort: (error: LeveeError) => void = () => {};
  readonly #aborted: Promise<never>;
  readonly #unsent: IDocumentMessage[] = [];
  #unread: ISequencedDocumentMessage[] = [];
  #unreadSignals: ISignalMessage[] = [];

  /**
   * Connects to a document.
   *
   * @param socketUrl - as in `ws://host/socket`
   * @param mode - what the token must allow; without it the mode of `client`
   * @throws {@link LeveeError}: `canRetry` says whether another attempt may succeed
   */
  static async create(
    socketUrl: string,
    tenantId: string,
    documentId: string,
    token: string,
    client: IClient,
    mode: ConnectionMode = "write",
    debug?: boolean,
    serialization?: SerializationFormat,
  ): Promise<LeveeDeltaConnection> {
    const connection = LeveeDeltaConnection.begin({
      socketUrl,
      tenantId,
      documentId,
      token,
      client,
      mode,
      debug,
      serialization,
    });
    await connection.ready;
    return connection;
  }

  /** Begins to connect. Operations may be submitted at once; they are sent when it stands. */
  static begin(options: DeltaConnectionOptions): LeveeDeltaConnection {
    return new LeveeDeltaConnection(options);
  }

  private constructor(options: DeltaConnectionOptions) {
    super();
    this.#options = options;
    this.#client = JSON.parse(JSON.stringify(options.client));
    this.#debug = new LeveeDebugLogger("connection", options.debug);
    this.#aborted = new Promise<never>((_resolve, reject) => {
      this.#abort = reject;
    });
    this.ready = this.#open().catch((error: unknown) => {
      this.#close();
      throw error instanceof LeveeError ? error : unusable(error);
    });
    // Who waits for neither must not be told of it as of an unhandled rejection.
    this.#aborted.catch(() => {});
    this.ready.catch(() => {});
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  get clientId(): string {
    return this.#details.clientId;
  }

  get claims(): ConnectedResponse["claims"] {
    return this.#details.claims;
  }

  get mode(): ConnectionMode {
    return this.#details.mode;
  }

  get existing(): boolean {
    return this.#details.existing;
  }

  /** Bytes. */
  get maxMessageSize(): number {
    return this.#details.maxMessageSize;
  }

  get version(): string {
    return this.#details.version;
  }

  get serviceConfiguration(): ConnectedResponse["serviceConfiguration"] {
    return this.#details.serviceConfiguration;
  }

  /** What the service offers beyond the protocol's minimum. */
  get supportedFeatures(): Record<string, unknown> {
    return this.#details.supportedFeatures;
  }

  /**
   * The last operation of the document when a connection to read was made. One to write brings its
   * own join, and Fluid sees what is missing before it: told of that join's number, it would ask
   * storage for it, again and again, until the service has made it durable.
   */
  get checkpointSequenceNumber(): number | undefined {
    return this.mode === "write" ? undefined : this.#details.checkpointSequenceNumber;
  }

  /** Operations that came before anybody listened for `op`, in order. */
  get initialMessages(): ISequencedDocumentMessage[] {
    const details = this.#details;
    if (this.#unread.length > 0) {
      details.initialMessages = [...details.initialMessages, ...this.#unread].sort(
        (a, b) => a.sequenceNumber - b.sequenceNumber,
      );
      this.#unread = [];
    }
    return details.initialMessages;
  }

  /** Signals that came before anybody listened for `signal`. */
  get initialSignals(): ISignalMessage[] {
    const details = this.#details;
    details.initialSignals.push(...this.#unreadSignals.splice(0));
    return details.initialSignals;
  }

  /** The clients in the document, this one included. */
  get initialClients(): ISignalClient[] {
    return this.#details.initialClients;
  }

  get activeSerialization(): SerializationFormat {
    return this.#options.serialization ?? "json";
  }

  /** Sends operations as one batch, or keeps them until the connection stands. */
  submit(messages: IDocumentMessage[]): void {
    if (this.#disposed || messages.length === 0) return;
    if (this.#connected !== undefined) {
      this.#push("submitOp", {
        clientId: this.clientId,
        messageBatches: [messages.map(submitted)],
      });
      return;
    }
    if (this.#unsent.length + messages.length > QUEUED_MAX) {
      this.#fail(networkError(`more than ${QUEUED_MAX} operations wait for the connection`));
      return;
    }
    this.#unsent.push(...messages);
  }

  /** Sends a signal to everybody in the document, or to one of them. */
  submitSignal(content: string, targetClientId?: string): void {
    if (this.#disposed) return;
    const signal = targetClientId === undefined ? { content } : { content, targetClientId };
    this.#push("submitSignal", { clientId: this.clientId, contentBatches: [[signal]] });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#close();
    this.#abort(
      new LeveeError("the connection was disposed", "genericNetworkError", { canRetry: false }),
    );
  }

  get #details(): ConnectedResponse {
    if (this.#connected === undefined) throw notConnected();
    return this.#connected;
  }

  async #open(): Promise<void> {
    const {
      socketUrl,
      tenantId,
      documentId,
      token,
      socketTimeoutMs = SOCKET_TIMEOUT_MS,
      answerTimeoutMs = ANSWER_TIMEOUT_MS,
    } = this.#options;
    const socket = await borrowSocket(socketUrl, this.activeSerialization);
    if (this.#disposed) {
      socket.giveBack(undefined);
      return this.#aborted;
    }
    this.#socket = socket;
    await this.#within("the socket", socketTimeoutMs, (onOpen) => {
      socket.connect({
        onOpen,
        onError: (error) => this.#fail(networkError(`socket: ${describe(error)}`, error)),
        onClose: ({ code, reason }) => {
          const text = reason === "" ? `code ${code}` : `code ${code}: ${reason}`;
          this.#fail(networkError(`the service closed the socket (${text})`));
        },
        onUnreadable: (error) => this.#fail(networkError("a frame could not be read", error)),
      });
    });
    const channel = socket.channel(`document:${tenantId}:${documentId}`, { token });
    this.#channel = channel;
    this.#listenToChannel(channel);
    await this.#within("the reply to the join", answerTimeoutMs, (done) => {
      channel
        .join(answerTimeoutMs * 2)
        .receive("ok", done)
        .receive("error", (response) => this.#fail(joinError(response)));
    });
    await this.#within("the answer to connect_document", answerTimeoutMs, (done) => {
      channel.on("connect_document_success", (payload) => this.#succeed(payload, done));
      channel.on("connect_document_error", (payload) => this.#fail(connectDocumentError(payload)));
      this.#push("connect_document", this.#connectMessage());
    });
  }

  #connectMessage(): PhoenixConnect {
    const { tenantId, documentId, token, mode } = this.#options;
    return {
      tenantId,
      id: documentId,
      token,
      client: this.#client,
      mode: mode ?? this.#client.mode,
      versions: VERSIONS,
    };
  }

  #succeed(payload: unknown, done: () => void): void {
    let connected: ConnectedResponse;
    try {
      connected = normalizeConnectedResponse(payload);
    } catch (error) {
      this.#fail(error as LeveeError);
      return;
    }
    const { clientId, initialClients } = connected;
    if (!initialClients.some((known) => known.clientId === clientId)) {
      initialClients.push({ clientId, client: this.#client });
    }
    this.#connected = connected;
    this.#debug.log(`connected as ${clientId}`);
    this.submit(this.#unsent.splice(0));
    done();
  }

  /** Waits for `start` to call its argument; fails as the connection does, or in time. */
  async #within(what: string, timeoutMs: number, start: (done: () => void) => void): Promise<void> {
    const timer = setTimeout(() => {
      this.#fail(networkError(`${what} did not come within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      await Promise.race([this.#aborted, new Promise<void>(start)]);
    } finally {
      clearTimeout(timer);
    }
  }

  #listenToChannel(channel: Channel): void {
    channel.onClose(() => this.#fail(networkError("the service closed the channel")));
    channel.onError(() => this.#fail(networkError("the channel failed")));
    // What arrives after the end is nobody's any more.
    const on = (event: string, receive: (payload: never) => void) => {
      channel.on(event, (payload) => {
        if (!this.#disposed) receive(payload as never);
      });
    };
    on("op", (payload) => this.#receiveOps(payload));
    on("signal", (payload) => this.#receiveSignal(payload));
    on("nack", (payload) => {
      this.emit("nack", this.#options.documentId, normalizeNackPayload(payload));
    });
    on("pong", (payload: { readonly latency?: unknown }) => {
      if (typeof payload?.latency === "number") this.emit("pong", payload.latency);
    });
    for (const event of ["presence_state", "presence_diff", "presence_error"] as const) {
      on(event, (payload) => this.presence.receive(event, payload));
    }
  }

  #receiveOps(payload: unknown): void {
    const { documentId, ops } = normalizeOpPayload(payload, this.#options.documentId);
    if (this.listenerCount("op") > 0) {
      this.emit("op", documentId, ops);
    } else if (this.#unread.length + ops.length > QUEUED_MAX) {
      this.#fail(networkError(`nobody reads: more than ${QUEUED_MAX} operations wait`));
    } else {
      this.#unread.push(...ops);
    }
  }

  #receiveSignal(payload: ISignalMessage): void {
    if (this.listenerCount("signal") > 0) {
      this.emit("signal", payload);
    } else if (this.#unreadSignals.length < QUEUED_MAX) {
      // Beyond that signals are dropped, as a network may drop them.
      this.#unreadSignals.push(payload);
    }
  }

  #push<Event extends PhoenixClientMessage[3]>(event: Event, payload: PayloadOf<Event>): void {
    this.#channel?.push(event, payload, NO_REPLY_TIMEOUT_MS);
  }

  #fail(error: LeveeError): void {
    if (this.#disposed) return;
    this.#debug.log(error.message);
    this.#close();
    if (this.#connected === undefined) this.#abort(error);
    else this.emit("disconnect", error);
  }

  #close(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#socket?.giveBack(this.#channel);
  }
}

function submitted(message: IDocumentMessage): ClientOperation {
  const { type, contents, clientSequenceNumber, referenceSequenceNumber, metadata, compression } =
    message;
  return {
    // Which types there are is Fluid's to know, and the service's to refuse.
    type: type as NonNullable<ClientOperation["type"]>,
    contents,
    clientSequenceNumber,
    referenceSequenceNumber,
    ...(metadata === undefined ? {} : { metadata }),
    ...(compression === undefined ? {} : { compression }),
  };
}

function notConnected(): LeveeError {
  return new LeveeError("the connection does not stand yet", "usageError", { canRetry: false });
}

/** The platform would not even try, as with an address that is none. */
function unusable(cause: unknown): LeveeError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new LeveeError(`cannot connect: ${text}`, "usageError", { canRetry: false, cause });
}

/** Why a join was refused. A topic of a wrong form stays wrong. */
function joinError(response: unknown): LeveeError {
  const { reason } = (response ?? {}) as { readonly reason?: unknown };
  const text = typeof reason === "string" ? reason : JSON.stringify(response ?? null);
  return new LeveeError(`join refused: ${text}`, "genericNetworkError", {
    canRetry: reason !== "invalid_topic" && reason !== "unmatched topic",
  });
}

function describe(error: unknown): string {
  const { message } = (error ?? {}) as { readonly message?: unknown };
  return typeof message === "string" && message !== "" ? message : "it could not be opened";
}
