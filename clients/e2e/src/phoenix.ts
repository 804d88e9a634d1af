// The npm `phoenix` client on the Levee wire, in JSON and in msgpack, set up as Levee's driver does.

import type { Service, Tenant } from "levee-testkit/service";
import { signToken, type TokenOptions } from "levee-testkit/tokens";
import { until, within } from "levee-testkit/wait";
import { Packr } from "msgpackr";
import { type Channel, Socket } from "phoenix";
import { WebSocket } from "ws";
import type { SequencedOp } from "./rest.ts";

export type Format = "json" | "msgpack";
export const formats: readonly Format[] = ["json", "msgpack"];

interface Frame {
  readonly join_ref: string | null;
  readonly ref: string | null;
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
}

const packr = new Packr({ useRecords: false });

const msgpack = {
  vsn: "3.0.0",
  encode(frame: object, callback: (encoded: unknown) => void): void {
    const { join_ref, ref, topic, event, payload } = frame as Frame;
    callback(packr.pack([join_ref, ref, topic, event, payload]));
  },
  decode(data: unknown, callback: (decoded: unknown) => void): void {
    const frame = packr.unpack(new Uint8Array(data as ArrayBuffer));
    const [join_ref, ref, topic, event, payload] = frame;
    callback({ join_ref, ref, topic, event, payload });
  },
};

export class PhoenixSocket {
  readonly socket: Socket;

  static async open(
    service: Service,
    format: Format,
    options: { readonly token?: string } = {},
  ): Promise<PhoenixSocket> {
    const opened = new PhoenixSocket(service, format, options);
    opened.socket.connect();
    await until(() => opened.socket.isConnected(), { what: "a Phoenix socket", timeoutMs: 10_000 });
    return opened;
  }

  private constructor(service: Service, format: Format, { token }: { readonly token?: string }) {
    this.socket = new Socket(`${service.socketUrl}/socket`, {
      transport: WebSocket as unknown as new (endpoint: string) => object,
      params: token === undefined ? {} : { token },
      binaryType: "arraybuffer",
      ...(format === "json" ? { vsn: "2.0.0" } : msgpack),
    });
  }

  channel(tenant: Tenant, documentId: string): PhoenixChannel {
    return new PhoenixChannel(this, tenant, documentId);
  }

  close(): void {
    this.socket.disconnect();
  }
}

export type Received = readonly [event: string, payload: Record<string, unknown>];

/** The outcome of a join: what its reply said. */
export interface JoinReply {
  readonly status: "ok" | "error" | "timeout";
  readonly response: unknown;
}

export interface PhoenixNack {
  readonly clientId: string;
  readonly operation: Record<string, unknown> | null;
  readonly sequenceNumber: number;
  readonly content: { readonly code: number; readonly type: string; readonly message: string };
  readonly nacks: readonly unknown[];
}

/** One document on a Phoenix socket. */
export class PhoenixChannel {
  readonly received: Received[] = [];
  readonly channel: Channel;
  connected: Record<string, unknown> | undefined;
  readonly #tenant: Tenant;
  readonly #documentId: string;
  #read = 0;
  #csn = 0;

  constructor(opened: PhoenixSocket, tenant: Tenant, documentId: string) {
    this.#tenant = tenant;
    this.#documentId = documentId;
    this.channel = opened.socket.channel(`document:${tenant.id}:${documentId}`, {
      token: signToken(tenant, documentId),
    });
    this.channel.onMessage = (event, payload) => {
      this.received.push([event, payload]);
      return payload;
    };
  }

  /** Joins the topic and connects to the document; fails if either is refused. */
  static async open(
    opened: PhoenixSocket,
    tenant: Tenant,
    documentId: string,
    options: PhoenixConnectOptions = {},
  ): Promise<PhoenixChannel> {
    const channel = opened.channel(tenant, documentId);
    const reply = await channel.join();
    if (reply.status !== "ok") throw new Error(`join refused: ${JSON.stringify(reply)}`);
    const [event, payload] = await channel.connectDocument(options);
    if (event !== "connect_document_success") {
      throw new Error(`connect refused: ${JSON.stringify(payload)}`);
    }
    return channel;
  }

  get clientId(): string {
    const clientId = this.connected?.clientId;
    if (typeof clientId !== "string") throw new Error("not connected to a document");
    return clientId;
  }

  async join(): Promise<JoinReply> {
    const push = this.channel.join();
    return within(
      new Promise<JoinReply>((resolve) => {
        for (const status of ["ok", "error", "timeout"] as const) {
          push.receive(status, (response: unknown) => resolve({ status, response }));
        }
      }),
      { what: "the reply to a join" },
    );
  }

  async leave(): Promise<void> {
    const push = this.channel.leave();
    await within(new Promise<void>((resolve) => push.receive("ok", () => resolve())), {
      what: "the reply to a leave",
    });
  }

  /** `connect_document`, and the event that answers it. */
  async connectDocument(options: PhoenixConnectOptions = {}): Promise<Received> {
    const message = {
      tenantId: this.#tenant.id,
      id: this.#documentId,
      token: signToken(this.#tenant, this.#documentId, options),
      client: {
        details: {
          capabilities: { interactive: options.interactive ?? true },
          environment: "; loaderVersion:2.81.1",
          ...(options.clientType === undefined ? {} : { type: options.clientType }),
        },
        permission: [],
        scopes: [],
        user: { id: "u1", name: "U" },
        mode: options.mode ?? "write",
      },
      mode: options.mode ?? "write",
      versions: ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
      ...options.message,
    };
    // In msgpack an undefined member would be sent; a member that is left out must not be.
    const members = Object.entries(message).filter(([, value]) => value !== undefined);
    this.push("connect_document", Object.fromEntries(members));
    const answer = await this.next(["connect_document_success", "connect_document_error"], 30_000);
    if (answer[0] === "connect_document_success") this.connected = answer[1];
    return answer;
  }

  push(event: string, payload: object): void {
    this.channel.push(event, payload);
  }

  /** The next event with one of `names` that was not taken yet. */
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
      { what: `event ${wanted.join(" or ")}`, timeoutMs, seen: () => this.received.slice(-3) },
    );
    if (found === undefined) throw new Error("unreachable: until returned");
    return found;
  }

  async nack(): Promise<PhoenixNack> {
    const [, payload] = await this.next("nack");
    return payload as unknown as PhoenixNack;
  }

  /** Every sequenced op received so far, those of the connection's opening included. */
  ops(): SequencedOp[] {
    const initial = (this.connected?.initialMessages ?? []) as SequencedOp[];
    return [
      ...initial,
      ...this.received
        .filter(([event]) => event === "op")
        .flatMap(([, payload]) => payload.op as SequencedOp[]),
    ];
  }

  signals(): { readonly clientId: string | null; readonly content: unknown }[] {
    return this.received
      .filter(([event]) => event === "signal")
      .map(([, payload]) => payload as { clientId: string | null; content: unknown });
  }

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

  async joined(): Promise<SequencedOp> {
    return this.op(
      (op) => op.type === "join" && JSON.parse(op.data ?? "{}").clientId === this.clientId,
      "the own join op",
    );
  }

  head(): number {
    return this.ops().at(-1)?.sequenceNumber ?? 0;
  }

  /** One op with the next client sequence number, as the driver words it. */
  nextOp(op: Record<string, unknown> = {}): Record<string, unknown> {
    this.#csn += 1;
    return {
      type: "op",
      contents: JSON.stringify(`op ${this.#csn}`),
      clientSequenceNumber: this.#csn,
      referenceSequenceNumber: this.head(),
      // The driver sends these two whether it has them or not.
      metadata: undefined,
      compression: undefined,
      ...op,
    };
  }

  submit(...batches: readonly Record<string, unknown>[][]): void {
    this.push("submitOp", { clientId: this.clientId, messageBatches: batches });
  }

  async write(contents: unknown): Promise<SequencedOp> {
    const op = this.nextOp({ contents: JSON.stringify(contents) });
    this.submit([op]);
    return this.op(
      ({ clientId, clientSequenceNumber }) =>
        clientId === this.clientId && clientSequenceNumber === op.clientSequenceNumber,
      "the echo of an op",
    );
  }

  signal(batch: readonly unknown[]): void {
    this.push("submitSignal", { clientId: this.clientId, contentBatches: [batch] });
  }
}

export interface PhoenixConnectOptions extends TokenOptions {
  readonly mode?: "read" | "write";
  readonly clientType?: string;
  readonly interactive?: boolean;
  /** Replaces members of the `connect_document` message; `undefined` leaves one out. */
  readonly message?: Record<string, unknown>;
}
