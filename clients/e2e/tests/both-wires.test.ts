// Both wires on one document: whoever comes in by which door sees the same document.

import { afterAll, beforeAll, expect } from "vitest";
import { azureRemoteOpener, converge, saved } from "../src/app.ts";
import { formats, PhoenixChannel, PhoenixSocket } from "../src/phoenix.ts";
import { Probe } from "../src/probe.ts";
import { Random, seed } from "../src/random.ts";
import { bearer, createDocument, readDeltas, rest, type SequencedOp } from "../src/rest.ts";
import { Service, tenants } from "../src/service.ts";
import { needs } from "../src/target.ts";
import { signToken } from "../src/tokens.ts";
import { pause, until } from "../src/wait.ts";

const tenant = tenants.fluid;
const phoenix = needs("phoenix");
let service: Service;
const sockets: { close(): void }[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterAll(async () => {
  for (const socket of sockets) socket.close();
  await service.stop();
});

async function socketIo(documentId: string): Promise<Probe> {
  const probe = await Probe.join(service, tenant, documentId);
  sockets.push(probe);
  await probe.joined();
  return probe;
}

async function phoenixJson(documentId: string, format = formats[0] ?? "json") {
  const socket = await PhoenixSocket.open(service, format);
  sockets.push(socket);
  const channel = await PhoenixChannel.open(socket, tenant, documentId);
  await channel.joined();
  return channel;
}

/** What both wires must agree on. How they fill members that a message lacks is their own matter. */
function essence(op: SequencedOp) {
  const system = op.clientId === null;
  return {
    clientId: op.clientId,
    clientSequenceNumber: op.clientSequenceNumber,
    contents: system ? undefined : op.contents,
    data: op.data,
    metadata: op.metadata ?? undefined,
    minimumSequenceNumber: op.minimumSequenceNumber,
    referenceSequenceNumber: system ? undefined : op.referenceSequenceNumber,
    sequenceNumber: op.sequenceNumber,
    timestamp: op.timestamp,
    type: op.type,
  };
}

phoenix("three clients on three encodings see identical ops, live and stored", async () => {
  const documentId = await createDocument(service, tenant);
  const probe = await socketIo(documentId);
  const channels = [];
  for (const format of formats) channels.push(await phoenixJson(documentId, format));
  const random = new Random(seed);
  const writers = [probe, ...channels];
  await Promise.all(
    writers.map(async (writer, index) => {
      for (let i = 0; i < 40; i++) {
        await writer.write({ from: index, i, text: `ü${random.below(1000)}`, big: 2 ** 40 + i });
        await pause(random.below(4));
      }
    }),
  );
  const total = writers.length * 41;
  await until(() => writers.every((writer) => writer.head() === total), {
    what: `${total} ops at everyone`,
    seen: () => writers.map((writer) => writer.head()),
  });
  const stored = await readDeltas(service, tenant, documentId);
  expect(stored.map(({ sequenceNumber }) => sequenceNumber)).toEqual(
    Array.from({ length: total }, (_, index) => index + 1),
  );
  const truth = stored.map(essence);
  for (const writer of writers)
    expect(writer.ops().map(essence)).toEqual(truth.slice(-writer.ops().length));
  const answer = await rest(service, "GET", `/deltas/${tenant.id}/${documentId}`, {
    authorization: bearer(signToken(tenant, documentId)),
  });
  expect((answer.body as { value: SequencedOp[] }).value.map(essence)).toEqual(truth);
});

phoenix("signals and members cross from wire to wire", async () => {
  const documentId = await createDocument(service, tenant);
  const probe = await socketIo(documentId);
  const channel = await phoenixJson(documentId);
  expect(channel.connected?.initialClients).toEqual([
    expect.objectContaining({ clientId: probe.clientId }),
  ]);
  probe.socket.emit("submitSignal", probe.clientId, [{ content: '"from Socket.IO"' }]);
  await until(() => channel.signals().some(({ clientId }) => clientId === probe.clientId), {
    what: "the signal from Socket.IO",
  });
  channel.signal([{ content: '"from Phoenix"', targetClientId: probe.clientId }]);
  const fromPhoenix = () =>
    probe.received
      .filter(([name]) => name === "signal")
      .map(([, body]) => body as { clientId: string | null; content: string })
      .filter(({ clientId }) => clientId === channel.clientId);
  await until(() => fromPhoenix().length === 1, { what: "the signal from Phoenix" });
  expect(fromPhoenix()[0]?.content).toBe('"from Phoenix"');
  await channel.leave();
  const leave = await probe.op(({ type }) => type === "leave", "the leave op");
  expect(leave.data).toBe(JSON.stringify(channel.clientId));
});

phoenix("official clients work on while a Phoenix client comes and goes", async () => {
  const { app: first, attach } = await azureRemoteOpener(service).create();
  const documentId = await attach();
  const second = await azureRemoteOpener(service).load(documentId);
  const channel = await phoenixJson(documentId);
  first.map.set("a", 1);
  second.text.insertText(0, "text");
  await converge([first, second]);
  const official = channel.ops().filter(({ clientId }) => clientId !== null);
  expect(official.length).toBeGreaterThanOrEqual(2);
  await until(() => first.audience.getMembers().size === 2, { what: "two Azure members" });
  await channel.leave();
  first.map.set("b", 2);
  await saved(first);
  const state = await converge([first, second]);
  expect(state).toMatchObject({ map: { a: 1, b: 2 }, text: "text" });
  first.container.dispose();
  second.container.dispose();
});
