// A bare Socket.IO client: it says what it is told to and records what comes back.

import type { Service, Tenant } from "levee-testkit/service";
import { signToken, type TokenOptions } from "levee-testkit/tokens";
import { until, within } from "levee-testkit/wait";
import { io, type Socket } from "socket.io-client";
import type { SequencedOp } from "./rest.ts";

/** An event's name and its arguments. */
export type Received = readonly [name: string, ...args: unknown[]];

export interface ConnectOptions extends TokenOptions {
  readonly mode?: "read" | "write";
  readonly clientType?: string;
  readonly interactive?: boolean;
  /** Replaces members of the `connect_document` message; `undefined` leaves one out. */
  readonly message?: Record<string, unknown>;
}

export interface Connected {
  readonly clientId: string;
  readonly mode: string;
  readonly claims: { readonly scopes: readonly string[] };
  readonly initialClients: readonly { readonly clientId: string }[];
  readonly [key: string]: unknown;
}

export interface ConnectFault {
  readonly code: number;
  readonly message: string;
}

export interface Nack {
  readonly operation?: Record<string, unknown>;
  readonly sequenceNumber: number;
  readonly content: { readonly code: number; readonly type: string; readonly message: string };
}

export class Probe {
  readonly received: Received[] = [];
  readonly socket: Socket;
  connected: Connected | undefined;
  disconnection: string | undefined;
  #read = 0;
  #csn = 0;

  /** Opens a socket and its namespace; nothing is said on it yet. */
  static async open(service: Service): Promise<Probe> {
    const probe = new Probe(service);
    await within(
      new Promise<void>((resolve, reject) => {
        probe.socket.once("connect", resolve);
        probe.socket.once("connect_error", reject);
      }),
      { what: "a Socket.IO connection" },
    );
    return probe;
  }

  /** Opens a socket and joins a document; fails if the service refuses. */
  static async join(
    service: Service,
    tenant: Tenant,
    documentId: string,
    options: ConnectOptions = {},
  ): Promise<Probe> {
    const probe = await Probe.open(service);
    const outcome = await probe.connectDocument(tenant, documentId, options);
    if (!("claims" in outcome)) throw new Error(`refused: ${JSON.stringify(outcome)}`);
    return probe;
  }

  private constructor(service: Service) {
    this.socket = io(service.url, {
      transports: ["websocket"],
      reconnection: false,
      forceNew: true,
      query: { documentId: "telemetry", tenantId: "telemetry" },
    });
    this.socket.onAny((name: string, ...args: unknown[]) => {
      this.received.push([name, ...args]);
    });
    this.socket.on("disconnect", (reason) => {
      this.disconnection = reason;
    });
  }

  get clientId(): string {
    if (this.connected === undefined) throw new Error("not joined to a document");
    return this.connected.clientId;
  }

  async connectDocument(
    tenant: Tenant,
    documentId: string,
    options: ConnectOptions = {},
  ): Promise<Connected | ConnectFault> {
    const mode = options.mode ?? "write";
    this.socket.emit("connect_document", {
      tenantId: tenant.id,
      id: documentId,
      token: signToken(tenant, documentId, options),
      client: {
        details: {
          capabilities: { interactive: options.interactive ?? true },
          ...(options.clientType === undefined ? {} : { type: options.clientType }),
        },
        permission: [],
        scopes: [],
        user: { id: "claimed by the client" },
        mode,
      },
      mode,
      versions: ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
      supportedFeatures: { submit_signals_v2: true },
      ...options.message,
    });
    // The reference must answer within 22 s, or official clients give up on the attempt.
    const [name, body] = await this.next(
      ["connect_document_success", "connect_document_error"],
      22_000,
    );
    if (name === "connect_document_error") return body as ConnectFault;
    this.connected = body as Connected;
    return this.connected;
  }

  /** The next event with one of `names` that was not taken yet; others before it are passed over. */
  async next(names: string | readonly string[], timeoutMs = 10_000): Promise<Received> {
    const wanted = typeof names === "string" ? [names] : names;
    let found: Received | undefined;
    await until(
      () => {
        while (found === undefined && this.#read < this.received.length) {
          const event = this.received[this.#read++];
          if (event !== undefined && wanted.includes(event[0])) found = event;
        }
        return found !== undefined;
      },
      {
        what: `event ${wanted.join(" or ")}`,
        timeoutMs,
        seen: () => this.received.slice(-3),
      },
    );
    if (found === undefined) throw new Error("unreachable: until returned");
    return found;
  }

  /** The next nack, and the document id that stands before it. */
  async nack(): Promise<{ documentId: unknown; nack: Nack }> {
    const [, documentId, nacks] = await this.next("nack");
    const [nack] = nacks as Nack[];
    if (nack === undefined) throw new Error("an empty list of nacks");
    return { documentId, nack };
  }

  /** Every sequenced op received so far, in the order of arrival. */
  ops(): SequencedOp[] {
    return this.received
      .filter(([name]) => name === "op")
      .flatMap(([, , ops]) => ops as SequencedOp[]);
  }

  /** Waits for the op that `matches`, whether it has come already or not. */
  async op(matches: (op: SequencedOp) => boolean, what: string): Promise<SequencedOp> {
    let found: SequencedOp | undefined;
    await until(
      () => {
        found = this.ops().find(matches);
        return found !== undefined;
      },
      { what, timeoutMs: 10_000, seen: () => this.received.slice(-3) },
    );
    if (found === undefined) throw new Error("unreachable: until returned");
    return found;
  }

  /** The last sequence number that this client has seen. */
  head(): number {
    return this.ops().at(-1)?.sequenceNumber ?? 0;
  }

  /** Waits for the own join op, as clients do before they submit. */
  async joined(): Promise<SequencedOp> {
    return this.op(
      (op) => op.type === "join" && JSON.parse(op.data ?? "{}").clientId === this.clientId,
      "the own join op",
    );
  }

  /** Submits one op with the next client sequence number, and answers that number. */
  submit(op: Record<string, unknown> = {}): number {
    this.#csn += 1;
    this.submitRaw([
      {
        clientSequenceNumber: this.#csn,
        referenceSequenceNumber: this.head(),
        type: "op",
        contents: JSON.stringify(`op ${this.#csn}`),
        ...op,
      },
    ]);
    return this.#csn;
  }

  /** Submits a batch exactly as it is given. */
  submitRaw(batch: unknown, clientId: string = this.clientId): void {
    this.socket.emit("submitOp", clientId, [batch]);
  }

  /** Submits one op, and waits for it to come back sequenced. */
  async write(contents: unknown): Promise<SequencedOp> {
    const csn = this.submit({ contents: JSON.stringify(contents) });
    return this.op(
      (op) => op.clientId === this.clientId && op.clientSequenceNumber === csn,
      `the echo of op ${csn}`,
    );
  }

  close(): void {
    this.socket.disconnect();
  }
}
