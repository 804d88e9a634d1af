// The Phoenix wire, with the npm `phoenix` client, in JSON and msgpack.

import { Service, tenants } from "levee-testkit/service";
import { needs } from "levee-testkit/target";
import { signToken } from "levee-testkit/tokens";
import { until, within } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from "vitest";
import { WebSocket } from "ws";
import {
  formats,
  PhoenixChannel,
  type PhoenixConnectOptions,
  PhoenixSocket,
} from "../src/phoenix.ts";
import { createDocument } from "../src/rest.ts";

const tenant = tenants.fluid;
const phoenix = needs("phoenix");
let service: Service;
let documentId: string;
const open: PhoenixSocket[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());
beforeEach(async () => {
  documentId = await createDocument(service, tenant);
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

describe("handshake", () => {
  async function handshake(path: string): Promise<number> {
    const socket = new WebSocket(`${service.socketUrl}${path}`);
    return within(
      new Promise<number>((resolve, reject) => {
        socket.once("open", () => {
          socket.close();
          resolve(101);
        });
        socket.once("unexpected-response", (_request, response) => {
          socket.terminate();
          resolve(response.statusCode ?? 0);
        });
        socket.once("error", reject);
      }),
      { what: "an answer to the handshake" },
    );
  }

  phoenix("takes both serialisations, whatever the token says, and nothing else", async () => {
    const path = "/socket/websocket";
    expect(await handshake(`${path}?vsn=2.0.0`)).toBe(101);
    expect(await handshake(`${path}?token=rubbish&vsn=3.0.0`)).toBe(101);
    expect(await handshake(path)).toBe(403);
    expect(await handshake(`${path}?vsn=1.0.0`)).toBe(403);
    expect(await handshake(`${path}?vsn=4.0.0`)).toBe(403);
    expect((await fetch(`${service.url}/socket/longpoll?vsn=2.0.0`)).status).toBe(404);
  });

  phoenix("raw frames have the order and the nulls of Phoenix", async () => {
    const socket = new WebSocket(`${service.socketUrl}/socket/websocket?vsn=2.0.0`);
    const frames: unknown[] = [];
    socket.on("message", (data) => frames.push(JSON.parse(String(data))));
    await within(new Promise((resolve) => socket.once("open", resolve)), { what: "open" });
    const topic = `document:${tenant.id}:${documentId}`;
    const steps: readonly (readonly [sent: unknown[], ...expected: unknown[]])[] = [
      [
        [null, "7", "phoenix", "heartbeat", {}],
        [null, "7", "phoenix", "phx_reply", { status: "ok", response: {} }],
      ],
      [
        ["1", "1", topic, "phx_join", { token: "ignored" }],
        ["1", "1", topic, "phx_reply", { status: "ok", response: {} }],
      ],
      [
        ["2", "2", "document:foo", "phx_join", {}],
        [
          "2",
          "2",
          "document:foo",
          "phx_reply",
          { status: "error", response: { reason: "invalid_topic" } },
        ],
      ],
      [
        ["3", "3", "room:lobby", "phx_join", {}],
        [
          null,
          "3",
          "room:lobby",
          "phx_reply",
          { status: "error", response: { reason: "unmatched topic" } },
        ],
      ],
      [
        ["4", "5", "document:never:joined", "submitOp", { clientId: "c", messageBatches: [] }],
        [
          null,
          "5",
          "document:never:joined",
          "phx_reply",
          { status: "error", response: { reason: "unmatched topic" } },
        ],
      ],
      [
        ["1", "6", topic, "phx_leave", {}],
        ["1", "6", topic, "phx_reply", { status: "ok", response: {} }],
        ["1", "1", topic, "phx_close", {}],
      ],
    ];
    for (const [sent, ...expected] of steps) {
      frames.length = 0;
      socket.send(JSON.stringify(sent));
      await until(() => frames.length >= expected.length, {
        what: `the answer to ${JSON.stringify(sent)}`,
        timeoutMs: 5000,
        seen: () => frames,
      });
      expect(frames).toEqual(expected);
    }
    socket.close();
  });
});

describe.each(formats)("%s", (format) => {
  async function socket(): Promise<PhoenixSocket> {
    const opened = await PhoenixSocket.open(service, format, {
      token: signToken(tenant, documentId),
    });
    open.push(opened);
    return opened;
  }

  async function join(
    options: PhoenixConnectOptions = {},
    id = documentId,
  ): Promise<PhoenixChannel> {
    const channel = await PhoenixChannel.open(await socket(), tenant, id, options);
    // Only writers are in the document's order; readers are announced by a signal.
    if (options.mode !== "read") await channel.joined();
    return channel;
  }

  async function refusal(options: PhoenixConnectOptions): Promise<unknown> {
    const channel = (await socket()).channel(tenant, documentId);
    expect(await channel.join()).toEqual({ status: "ok", response: {} });
    const [event, payload] = await channel.connectDocument(options);
    expect(event).toBe("connect_document_error");
    // The channel stays joined, and another attempt is allowed.
    const [second] = await channel.connectDocument();
    expect(second).toBe("connect_document_success");
    return payload;
  }

  phoenix("heartbeats are answered", async () => {
    const { socket: client } = await socket();
    for (let i = 0; i < 3; i++) {
      const latency = new Promise<number>((resolve) => client.ping(resolve));
      expect(await within(latency, { what: "the answer to a heartbeat" })).toBeGreaterThanOrEqual(
        0,
      );
    }
  });

  phoenix("connect_document succeeds first, then the own join comes as an op", async () => {
    const client = {
      user: { name: "first the name", id: "then the id" },
      mode: "write",
      scopes: [],
      permission: [],
      details: { capabilities: { interactive: true } },
    };
    const channel = await join({ message: { client } });
    const { connected } = channel;
    expect(connected).toMatchObject({
      claims: {
        documentId,
        tenantId: tenant.id,
        scopes: ["doc:read", "doc:write", "summary:write"],
      },
      clientId: expect.any(String),
      existing: true,
      maxMessageSize: 16_777_216,
      mode: "write",
      serviceConfiguration: { blockSize: 65_536, maxMessageSize: 16_777_216 },
      initialClients: [],
      initialMessages: [],
      initialSignals: [],
      supportedFeatures: { submit_signals_v2: true },
      supportedVersions: ["^0.1.0", "^1.0.0"],
      version: "0.1.0",
      checkpointSequenceNumber: 1,
    });
    const events = channel.received.map(([event]) => event);
    expect(events.indexOf("connect_document_success")).toBeLessThan(events.indexOf("op"));
    const op = await channel.joined();
    expect(op).toMatchObject({ clientId: null, clientSequenceNumber: -1, type: "join" });
    expect(op.sequenceNumber).toBe(1);
    expect(typeof op.timestamp).toBe("number");
    // The client's own object, in its own order: Fluid compares the copies as text.
    expect(op.data).toBe(JSON.stringify({ clientId: channel.clientId, detail: client }));

    const second = await join();
    expect(JSON.stringify(second.connected?.initialClients)).toContain(JSON.stringify(client));
    const initial = second.connected?.initialMessages as { sequenceNumber: number }[];
    expect(initial.map(({ sequenceNumber }) => sequenceNumber)).toEqual([1]);
  });

  phoenix("refusals have their codes and texts, and another attempt is allowed", async () => {
    const faults: readonly (readonly [PhoenixConnectOptions, number, string])[] = [
      [
        { message: { mode: undefined, client: undefined } },
        400,
        "Missing required fields: client, mode",
      ],
      [{ message: { id: "another" } }, 400, "Tenant/document ID mismatch with topic"],
      [{ message: { token: "" } }, 401, "Missing authentication token"],
      [{ key: "another key" }, 401, "Invalid token signature"],
      [{ lifetimeSeconds: -60 }, 401, "Token has expired"],
      [{ claims: { tenantId: "another" } }, 403, "Token not valid for this tenant"],
      [{ claims: { documentId: "another" } }, 403, "Token not valid for this document"],
      [{ scopes: ["doc:write"] }, 403, "Token missing required scope: doc:read"],
      [{ scopes: ["doc:read"] }, 403, "Write mode requires doc:write scope"],
    ];
    for (const [options, code, message] of faults) {
      expect(await refusal(options), message).toMatchObject({ code, message });
    }
  });

  phoenix("ops come back with their number, their text untouched", async () => {
    const [author, other] = [await join(), await join()];
    const contents = '{ "snake_case" :  1.0, "ü\\u00fc": "\\/" }';
    author.submit(
      [author.nextOp({ contents, metadata: { batchId: "b" }, compression: "lz4" })],
      [author.nextOp()],
    );
    for (const channel of [author, other]) {
      const op = await channel.op(
        ({ clientId, clientSequenceNumber }) =>
          clientId === author.clientId && clientSequenceNumber === 1,
        "the op",
      );
      expect(op).toMatchObject({ contents, metadata: { batchId: "b" }, compression: "lz4" });
      const next = await channel.op(
        ({ clientId, clientSequenceNumber }) =>
          clientId === author.clientId && clientSequenceNumber === 2,
        "the op of the second batch",
      );
      expect(next.sequenceNumber).toBe(op.sequenceNumber + 1);
      expect(next.metadata ?? null).toBeNull();
      expect("compression" in next ? next.compression : undefined).toBeUndefined();
    }
    const payload = author.received.find(
      ([event, { op }]) => event === "op" && JSON.stringify(op).includes("batchId"),
    )?.[1];
    expect(payload).toMatchObject({ documentId, op: expect.any(Array) });
  });

  phoenix("more than a hundred ops in one submission are fine", async () => {
    const channel = await join();
    channel.submit(Array.from({ length: 250 }, () => channel.nextOp()));
    await channel.op(({ clientSequenceNumber }) => clientSequenceNumber === 250, "the last op");
    const numbers = channel.ops().map(({ sequenceNumber }) => sequenceNumber);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  phoenix("a nack can be read flat and wrapped; the accepted prefix is shown first", async () => {
    const [channel, other] = [await join(), await join()];
    await channel.op(
      ({ data }) => data?.includes(other.clientId) ?? false,
      "the join of the other, after which nothing else may come before the nack",
    );
    channel.submit([
      channel.nextOp(),
      channel.nextOp({ referenceSequenceNumber: 9999 }),
      channel.nextOp(),
    ]);
    const nack = await channel.nack();
    expect(nack).toMatchObject({
      clientId: "",
      operation: { clientSequenceNumber: 2 },
      sequenceNumber: expect.any(Number),
      content: { code: 400, type: "BadRequestError", message: expect.any(String) },
    });
    const { operation, sequenceNumber, content } = nack;
    expect(nack.nacks).toEqual([{ operation, sequenceNumber, content }]);
    const events = channel.received.map(([event]) => event);
    expect(events.lastIndexOf("op")).toBeLessThan(events.indexOf("nack"));
    // Whatever the rest of the submission did would stand before another client's next op.
    await other.write("after");
    const sequenced = other.ops().filter(({ clientId }) => clientId === channel.clientId);
    expect(sequenced.map(({ clientSequenceNumber }) => clientSequenceNumber)).toEqual([1]);
  });

  phoenix("submissions that are no submissions are nacked with their texts", async () => {
    const channel = await join();
    channel.push("submitOp", { clientId: channel.clientId });
    expect((await channel.nack()).content).toMatchObject({
      code: 400,
      type: "BadRequestError",
      message: "Malformed submitOp: missing clientId or messageBatches",
    });
    channel.push("submitOp", { clientId: "nobody", messageBatches: [[channel.nextOp()]] });
    expect((await channel.nack()).content).toMatchObject({
      code: 400,
      message: expect.stringContaining(`Client ID mismatch: expected ${channel.clientId}`),
    });
    const unconnected = (await socket()).channel(tenant, documentId);
    await unconnected.join();
    unconnected.push("submitOp", { clientId: "x", messageBatches: [[]] });
    expect((await unconnected.nack()).content).toMatchObject({
      code: 400,
      message: "Client not connected",
    });
  });

  phoenix("a reader’s op is nacked with 403", async () => {
    const reader = await PhoenixChannel.open(await socket(), tenant, documentId, { mode: "read" });
    reader.submit([reader.nextOp()]);
    expect((await reader.nack()).content).toEqual({
      code: 403,
      type: "InvalidScopeError",
      message: "Read-only clients cannot submit operations",
    });
  });

  phoenix("requestOps sends what came after a number, in one op event", async () => {
    const channel = await join();
    for (let i = 0; i < 5; i++) await channel.write(i);
    const before = channel.received.length;
    channel.push("requestOps", { from: 3 });
    await until(() => channel.received.slice(before).some(([event]) => event === "op"), {
      what: "the requested ops",
    });
    const events = channel.received.slice(before).filter(([event]) => event === "op");
    expect(events).toHaveLength(1);
    const ops = events[0]?.[1].op as { sequenceNumber: number }[];
    expect(ops.map(({ sequenceNumber }) => sequenceNumber)).toEqual([4, 5, 6]);
  });

  phoenix("signals go to everyone, the sender included, or to whom they name", async () => {
    const channels = [await join(), await join(), await join({ mode: "read" })];
    const [sender, second, third] = channels;
    if (!sender || !second || !third) throw new Error("unreachable: three channels");
    sender.signal([{ content: '"all"', targetClientId: undefined }]);
    sender.signal([{ content: '"one"', targetClientId: second.clientId }]);
    sender.signal([{ content: '"self"', targetClientId: sender.clientId }]);
    sender.signal([{ content: '"named"', targetedClients: [third.clientId] }]);
    sender.signal([{ content: '"others"', ignoredClients: [second.clientId] }]);
    sender.signal([{ content: '"last"' }]);
    const got = (channel: PhoenixChannel) =>
      channel
        .signals()
        .filter(({ clientId }) => clientId === sender.clientId)
        .map(({ content }) => content);
    await until(() => channels.every((channel) => got(channel).at(-1) === '"last"'), {
      what: "the last signal",
      seen: () => channels.map(got),
    });
    expect(channels.map(got)).toEqual([
      ['"all"', '"self"', '"others"', '"last"'],
      ['"all"', '"one"', '"last"'],
      ['"all"', '"named"', '"others"', '"last"'],
    ]);
    const fromSender = second.signals().filter(({ clientId }) => clientId === sender.clientId);
    for (const signal of fromSender)
      expect(Object.keys(signal).sort()).toEqual(["clientId", "content"]);
  });

  phoenix("joins and leaves are signalled to the others", async () => {
    const stays = await join();
    const comes = await join({ mode: "read" });
    const told = () =>
      stays
        .signals()
        .filter(({ clientId }) => clientId === null)
        .map(({ content }) => content);
    await until(() => told().length === 1, { what: "the join signal", seen: told });
    expect(JSON.parse(String(told()[0]))).toMatchObject({
      type: "join",
      content: { clientId: comes.clientId, client: { user: { id: "u1", name: "U" } } },
    });
    await comes.leave();
    await until(() => told().length === 2, { what: "the leave signal", seen: told });
    expect(JSON.parse(String(told()[1]))).toEqual({ type: "leave", content: comes.clientId });
    expect(comes.signals().filter(({ clientId }) => clientId === null)).toEqual([]);
  });

  phoenix("several documents share a socket and do not mix", async () => {
    const other = await createDocument(service, tenant);
    const opened = await socket();
    const first = await PhoenixChannel.open(opened, tenant, documentId);
    const second = await PhoenixChannel.open(opened, tenant, other);
    await first.joined();
    await second.joined();
    for (let i = 0; i < 10; i++) {
      await first.write(`first ${i}`);
      await second.write(`second ${i}`);
    }
    for (const [channel, mark] of [
      [first, "first"],
      [second, "second"],
    ] as const) {
      const contents = channel
        .ops()
        .filter(({ type }) => type === "op")
        .map((op) => op.contents);
      expect(contents).toEqual(
        Array.from({ length: 10 }, (_, i) => JSON.stringify(`${mark} ${i}`)),
      );
    }
    const watcher = await join({}, documentId);
    await first.leave();
    await watcher.op(
      ({ type, data }) => type === "leave" && data === JSON.stringify(first.clientId),
      "the leave op of the document that was left",
    );
    await second.write("still here");
  });

  phoenix("a lost socket leaves the document", async () => {
    const stays = await join();
    const lost = await socket();
    const channel = await PhoenixChannel.open(lost, tenant, documentId);
    await channel.joined();
    lost.close();
    const leave = await stays.op(({ type }) => type === "leave", "the leave op");
    expect(leave).toMatchObject({ clientId: null, data: JSON.stringify(channel.clientId) });
  });

  phoenix("system messages from a client are refused", async () => {
    for (const type of ["join", "leave", "summaryAck"]) {
      const channel = await join();
      channel.submit([channel.nextOp({ type })]);
      expect((await channel.nack()).content.code, type).toBe(400);
    }
  });

  phoenix("a topic that is joined without connecting is no client", async () => {
    const silent = (await socket()).channel(tenant, documentId);
    expect(await silent.join()).toEqual({ status: "ok", response: {} });
    const client = await join();
    expect(client.connected).toMatchObject({ initialClients: [], initialMessages: [] });
    await client.write("alone");
    expect(client.ops().map(({ type }) => type)).toEqual(["join", "op"]);
    // Whatever the document would have sent it stands before the answer to its leave.
    await silent.leave();
    const events = silent.received.map(([event]) => event);
    expect(events.filter((event) => !/^(phx_|chan_reply_)/.test(event))).toEqual([]);
    const second = await join();
    expect(second.ops().map(({ type }) => type)).not.toContain("leave");
  });

  phoenix("connecting makes a document that was never created", async () => {
    const id = `never-created-${format}-${Date.now()}`;
    const first = await join({}, id);
    await first.write("here");
    const second = await join({}, id);
    expect(second.ops().map(({ type }) => type)).toEqual(["join", "op", "join"]);
  });

  phoenix("a second connect_document on a channel takes the first one’s place", async () => {
    const watcher = await join();
    const channel = await join();
    const firstId = channel.clientId;
    const [event] = await channel.connectDocument();
    expect(event).toBe("connect_document_success");
    expect(channel.clientId).not.toBe(firstId);
    await watcher.op(
      ({ type, data }) => type === "leave" && data === JSON.stringify(firstId),
      "the leave op of the first client",
    );
    const late = await join();
    const members = late.connected?.initialClients as { clientId: string }[];
    expect(members.map(({ clientId }) => clientId).sort()).toEqual(
      [watcher.clientId, channel.clientId].sort(),
    );
  });

  phoenix("joins and leaves reset neither a client’s numbers nor the minimum", async () => {
    const author = await join();
    for (let i = 0; i < 3; i++) await author.write(i);
    const visitor = await join();
    const join2 = await author.op(({ data }) => data?.includes(visitor.clientId) ?? false, "join");
    await visitor.leave();
    const leave = await author.op(({ type }) => type === "leave", "the leave op");
    // Both carry the minimum that the author has told of, not their own number.
    expect([join2, leave].map((op) => op.minimumSequenceNumber)).toEqual([3, 3]);
    // The used number is sent again, then the next: only that one is new.
    const again = { contents: '"again"', clientSequenceNumber: 3 };
    author.submit([{ ...author.nextOp(), ...again }]);
    author.submit([author.nextOp({ contents: '"next"', clientSequenceNumber: 4 })]);
    const next = await author.op(({ contents }) => contents === '"next"', "the next op");
    expect(next.sequenceNumber).toBe(leave.sequenceNumber + 1);
    expect(next.minimumSequenceNumber).toBe(leave.sequenceNumber);
    expect(author.ops().map(({ contents }) => contents)).not.toContain('"again"');
  });

  phoenix("an op that refers to what is below the minimum is nacked", async () => {
    const channel = await join();
    for (let i = 0; i < 3; i++) await channel.write(i);
    channel.submit([channel.nextOp({ referenceSequenceNumber: 1 })]);
    expect((await channel.nack()).content).toMatchObject({ code: 400, type: "BadRequestError" });
  });

  phoenix("a summary needs summary:write in the token, whatever the client is", async () => {
    const contents = JSON.stringify({ handle: "0".repeat(40), message: "m", parents: [] });
    const may = await join();
    may.submit([may.nextOp({ type: "summarize", contents })]);
    await may.op(({ type }) => type === "summarize", "the summarize op of an interactive client");
    const options = { scopes: ["doc:read", "doc:write"], clientType: "summarizer" };
    const mayNot = await join({ ...options, interactive: false });
    mayNot.submit([mayNot.nextOp({ type: "summarize", contents })]);
    expect((await mayNot.nack()).content).toMatchObject({ code: 403, type: "InvalidScopeError" });
  });

  phoenix("an op that is no object is nacked, and nobody else notices", async () => {
    const [channel, other] = [await join(), await join()];
    channel.submit(["not an op" as unknown as Record<string, unknown>]);
    expect((await channel.nack()).content.code).toBe(400);
    channel.push("submitOp", { clientId: channel.clientId, messageBatches: "no list" });
    expect((await channel.nack()).content.code).toBe(400);
    await other.write("still here");
    expect(other.ops().map(({ type }) => type)).not.toContain("leave");
  });

  phoenix("a summarize op is always answered within the ops", async () => {
    const channel = await join({ clientType: "summarizer", interactive: false });
    const contents = JSON.stringify({ handle: "0".repeat(40), message: "m", parents: [] });
    channel.submit([channel.nextOp({ type: "summarize", contents })]);
    const proposal = await channel.op(({ type }) => type === "summarize", "the summarize op");
    const answer = await channel.op(({ type }) => type === "summaryNack", "a summaryNack");
    expect(answer.sequenceNumber).toBeGreaterThan(proposal.sequenceNumber);
    const body = answer.data === undefined ? answer.contents : JSON.parse(answer.data);
    expect(typeof body === "string" ? JSON.parse(body) : body).toMatchObject({
      summaryProposal: { summarySequenceNumber: proposal.sequenceNumber },
    });
  });
});

phoenix("a document may have members on both serialisations", async () => {
  const channels = [];
  for (const format of formats) {
    const opened = await PhoenixSocket.open(service, format);
    open.push(opened);
    const channel = await PhoenixChannel.open(opened, tenant, documentId);
    await channel.joined();
    channels.push(channel);
  }
  for (let i = 0; i < 5; i++) for (const channel of channels) await channel.write({ i });
  const [json, msgpack] = channels;
  if (!json || !msgpack) throw new Error("unreachable: two formats");
  await until(() => json.head() === msgpack.head(), { what: "the same head at both" });
  expect(msgpack.ops()).toEqual(json.ops());
});
