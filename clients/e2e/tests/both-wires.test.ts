// Both wires on one document: whoever comes in by which door sees the same document.

import { Random, seed } from "levee-testkit/random";
import { Service, tenants } from "levee-testkit/service";
import { needs } from "levee-testkit/target";
import { signToken } from "levee-testkit/tokens";
import { pause, until } from "levee-testkit/wait";
import { afterAll, beforeAll, expect } from "vitest";
import { azureRemoteOpener, converge, saved } from "../src/app.ts";
import { formats, PhoenixChannel, PhoenixSocket } from "../src/phoenix.ts";
import { Probe } from "../src/probe.ts";
import { bearer, createDocument, readDeltas, rest, type SequencedOp } from "../src/rest.ts";

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
  const members = () => first.audience.getMembers().size;
  await until(() => members() === 3, { what: "the Phoenix member beside the two", seen: members });
  await channel.leave();
  await until(() => members() === 2, { what: "the Phoenix member’s leave", seen: members });
  first.map.set("b", 2);
  await saved(first);
  const state = await converge([first, second]);
  expect(state).toMatchObject({ map: { a: 1, b: 2 }, text: "text" });
  first.container.dispose();
  second.container.dispose();
});

interface TreeEntry {
  readonly path: string;
  readonly mode: string;
  readonly sha: string;
  readonly type: string;
}

/** The newest version of a document, found as Levee's driver finds it: by its ref. */
class LeveeGit {
  readonly #documentId: string;

  constructor(documentId: string) {
    this.#documentId = documentId;
  }

  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await rest(service, method, `/repos/${tenant.id}/git/${path}`, {
      authorization: bearer(signToken(tenant, this.#documentId)),
      body,
    });
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    return answer.body;
  }

  async head(): Promise<string> {
    const ref = await this.call("GET", `refs/heads/${this.#documentId}`);
    return (ref as { object: { sha: string } }).object.sha;
  }

  async tree(commit: string, recursive = ""): Promise<TreeEntry[]> {
    const { tree } = (await this.call("GET", `commits/${commit}`)) as { tree: { sha: string } };
    const answer = await this.call("GET", `trees/${tree.sha}${recursive}`);
    return (answer as { tree: TreeEntry[] }).tree;
  }

  async text(sha: string): Promise<string> {
    const { content } = (await this.call("GET", `blobs/${sha}`)) as { content: string };
    return Buffer.from(content, "base64").toString();
  }
}

phoenix("a summary by Levee’s driver is acknowledged, and official clients load it", async () => {
  // The summary below holds the app as it was attached, so nothing is edited before it is taken.
  const opener = azureRemoteOpener(service);
  const { app: first, attach } = await opener.create();
  first.map.set("attached", "with this");
  const documentId = await attach();
  const socket = await PhoenixSocket.open(service, "json");
  sockets.push(socket);
  const summarizer = await PhoenixChannel.open(socket, tenant, documentId, {
    clientType: "summarizer",
    interactive: false,
  });
  await summarizer.joined();
  const git = new LeveeGit(documentId);

  for (const form of ["whole", "incremental"]) {
    const parent = await git.head();
    const entries = (await git.tree(parent)).filter(({ path }) => path !== ".protocol");
    expect(entries.map(({ path }) => path)).toContain(".channels");
    // What has not changed since the last summary is named by its path in place of an id.
    const tree = (await git.call("POST", "trees", {
      tree: entries.map((entry) =>
        form === "incremental" && entry.type === "tree"
          ? { ...entry, sha: `/${entry.path}` }
          : entry,
      ),
    })) as { sha: string };
    const commit = (await git.call("POST", "commits", {
      tree: tree.sha,
      parents: [parent],
      message: `Summary, ${form}`,
      author: { name: "Levee Service", email: "levee@example.com" },
    })) as { sha: string };
    await git.call("PATCH", `refs/heads/${documentId}`, { sha: commit.sha, force: true });
    const referenceSequenceNumber = summarizer.head();
    const contents = { handle: commit.sha, message: form, parents: [parent], head: parent };
    const op = summarizer.nextOp({
      type: "summarize",
      contents: JSON.stringify(contents),
      referenceSequenceNumber,
    });
    summarizer.submit([op]);
    const proposal = await summarizer.op(
      ({ type, clientSequenceNumber }) =>
        type === "summarize" && clientSequenceNumber === op.clientSequenceNumber,
      "the summarize op",
    );
    const answer = await summarizer.op(
      ({ type, sequenceNumber }) =>
        /^summary(Ack|Nack)$/.test(type) && sequenceNumber > proposal.sequenceNumber,
      "an answer to the summary",
    );
    expect(answer, JSON.stringify(answer)).toMatchObject({ type: "summaryAck", clientId: null });
    const body = answer.data === undefined ? answer.contents : JSON.parse(answer.data);
    expect(body.summaryProposal.summarySequenceNumber).toBe(proposal.sequenceNumber);

    expect(await git.head()).toBe(body.handle);
    const stored = await git.tree(body.handle, "?recursive=1");
    const attributes = stored.find(({ path }) => path === ".protocol/attributes");
    expect(JSON.parse(await git.text(attributes?.sha ?? ""))).toMatchObject({
      sequenceNumber: referenceSequenceNumber,
    });
    const members = stored.find(({ path }) => path === ".protocol/quorumMembers");
    expect(await git.text(members?.sha ?? "")).toContain(summarizer.clientId);
  }

  expect(await opener.client.getContainerVersions(documentId)).toHaveLength(3);
  const late = await azureRemoteOpener(service).load(documentId);
  late.map.set("after", "the summaries");
  expect(await converge([first, late])).toMatchObject({
    map: { attached: "with this", after: "the summaries" },
  });
  first.container.dispose();
  late.container.dispose();
});
