// Storage of the real service, and what it costs in requests.

import { SummaryType } from "@fluidframework/driver-definitions/internal";
import type {
  ISummaryContext,
  ISummaryHandle,
  ISummaryTree,
  IVersion,
} from "@fluidframework/driver-definitions/legacy";
import { Service, tenants } from "levee-testkit/service";
import { until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  GitManager,
  InsecureLeveeTokenProvider,
  LeveeDocumentServiceFactory,
  type LeveeStorageService,
  LeveeUrlResolver,
  RestWrapper,
} from "../src/index.ts";
import { App } from "./support/app.ts";
import { Gate } from "./support/gate.ts";

let service: Service;
let gate: Gate;
const open: App[] = [];
const tokens = new InsecureLeveeTokenProvider(tenants.fluid.key, { id: "u", name: "U" });

beforeAll(async () => {
  service = await Service.start();
  gate = await Gate.before(service);
});
afterAll(async () => {
  await gate.close();
  await service.stop();
});
afterEach(() => {
  gate.instead = () => undefined;
  for (const { container } of open.splice(0)) container.close();
});

function blob(content: string | Uint8Array) {
  return { type: SummaryType.Blob, content } as const;
}

function tree(parts: ISummaryTree["tree"]): ISummaryTree {
  return { type: SummaryType.Tree, tree: parts };
}

const bytes = Uint8Array.from({ length: 300 }, (_, at) => at % 256);
const names = ["a", "with space", "ü/ö", "50%", "%2F", "a+b"];

function handle(path: string): ISummaryHandle {
  return { type: SummaryType.Handle, handleType: SummaryType.Tree, handle: path };
}

function first(): ISummaryTree {
  return tree({
    ".protocol": tree({
      attributes: blob('{"minimumSequenceNumber":0,"sequenceNumber":0}'),
      quorumMembers: blob("[]"),
      quorumProposals: blob("[]"),
      quorumValues: blob("[]"),
    }),
    ".app": tree({
      ".metadata": blob('{"snake_case":"ü"}'),
      bytes: blob(bytes),
      empty: blob(""),
      named: tree(Object.fromEntries(names.map((name) => [name, tree({ [name]: blob(name) })]))),
    }),
  });
}

interface Stored {
  readonly id: string;
  readonly storage: LeveeStorageService;
}

async function created(summary = first()): Promise<Stored> {
  const resolver = new LeveeUrlResolver(undefined, gate.url);
  const factory = new LeveeDocumentServiceFactory(tokens);
  const resolved = await resolver.resolve(resolver.createCreateNewRequest());
  if (resolved === undefined) throw new Error("not resolved");
  const document = await factory.createContainer(summary, resolved);
  return { id: document.resolvedUrl.id, storage: await document.connectToStorage() };
}

async function text(storage: LeveeStorageService, id: string | undefined): Promise<string> {
  return new TextDecoder().decode(await storage.readBlob(id ?? "absent"));
}

async function latest(storage: LeveeStorageService): Promise<IVersion> {
  const [version] = await storage.getVersions(null, 1);
  if (version === undefined) throw new Error("no version");
  return version;
}

test("a document without a first summary is not created", async () => {
  const resolver = new LeveeUrlResolver(undefined, gate.url);
  const resolved = await resolver.resolve(resolver.createCreateNewRequest());
  if (resolved === undefined) throw new Error("not resolved");
  gate.take();
  const creating = new LeveeDocumentServiceFactory(tokens).createContainer(undefined, resolved);
  await expect(creating).rejects.toMatchObject({ errorType: "usageError", canRetry: false });
  expect(gate.take()).toEqual([]);
});

describe("a version", () => {
  test("is read back as it was stored, with one request", async () => {
    const { storage } = await created();
    gate.take();
    const version = await latest(storage);
    const snapshot = await storage.getSnapshotTree(version);
    expect(snapshot?.id).toBe(version.id);
    expect(await text(storage, snapshot?.blobs[".metadata"])).toBe('{"snake_case":"ü"}');
    expect(new Uint8Array(await storage.readBlob(snapshot?.blobs.bytes ?? ""))).toEqual(bytes);
    expect(await text(storage, snapshot?.blobs.empty)).toBe("");
    for (const name of names) {
      const named = snapshot?.trees.named?.trees[name];
      expect(await text(storage, named?.blobs[name]), name).toBe(name);
    }
    expect(Object.keys(snapshot?.trees ?? {}).sort()).toEqual([".protocol", "named"]);
    expect(gate.take()).toEqual([`GET /repos/fluid/git/summaries/latest`]);
  });

  test("is given out whole to who asks for a snapshot", async () => {
    const { storage } = await created();
    gate.take();
    const snapshot = await storage.getSnapshot();
    expect(snapshot).toMatchObject({ sequenceNumber: 0, ops: [], snapshotFormatV: 1 });
    const { blobs } = snapshot.snapshotTree;
    const contents = snapshot.blobContents.get(blobs.bytes ?? "");
    expect(new Uint8Array(contents ?? new ArrayBuffer(0))).toEqual(bytes);
    const again = await storage.getSnapshot({ versionId: snapshot.snapshotTree.id ?? "" });
    expect(again).toEqual(snapshot);
    expect(gate.take()).toHaveLength(1);
  });

  test("can be downloaded as a summary, and a part of it", async () => {
    const { storage } = await created();
    const { id } = await latest(storage);
    const whole = await storage.downloadSummary(handle(id));
    const { ".app": app, ".protocol": protocol } = first().tree;
    if (app?.type !== SummaryType.Tree || protocol === undefined) throw new Error("no tree");
    expect(whole).toEqual(tree({ ".protocol": protocol, ...app.tree }));
    const part = await storage.downloadSummary(handle(`${id}/named/with%20space`));
    expect(part).toEqual(tree({ "with space": blob("with space") }));
    expect(await storage.downloadSummary(handle("/named/a"))).toEqual(tree({ a: blob("a") }));
    await expect(storage.downloadSummary(handle("/gone"))).rejects.toMatchObject({
      statusCode: 404,
    });
  });

  test("that does not exist is not found", async () => {
    const { storage } = await created();
    const notFound = { errorType: "fileNotFoundOrAccessDeniedError", canRetry: false };
    const id = "0".repeat(40);
    await expect(storage.getVersions(id, 1)).rejects.toMatchObject(notFound);
    await expect(storage.getVersions(id, 5)).rejects.toMatchObject(notFound);
    await expect(storage.getSnapshotTree({ id, treeId: id })).rejects.toMatchObject(notFound);
    await expect(storage.readBlob(id)).rejects.toMatchObject(notFound);
    const { resolver, factory } = {
      resolver: new LeveeUrlResolver(undefined, gate.url),
      factory: new LeveeDocumentServiceFactory(tokens),
    };
    const resolved = await resolver.resolve({ url: "no-such-document" });
    if (resolved === undefined) throw new Error("not resolved");
    const absent = await (await factory.createDocumentService(resolved)).connectToStorage();
    await expect(absent.getVersions(null, 1)).rejects.toMatchObject(notFound);
  });
});

describe("blobs", () => {
  test("are stored and read back, of any bytes", async () => {
    const { storage } = await created();
    for (const content of [bytes, new Uint8Array(0), new TextEncoder().encode("ü")]) {
      const { id } = await storage.createBlob(content.slice().buffer);
      expect(new Uint8Array(await storage.readBlob(id))).toEqual(content);
    }
  });

  test("large ones, too", async () => {
    const { storage } = await created();
    const large = new Uint8Array(3 << 20).map((_, at) => (at * 7) % 251);
    const { id } = await storage.createBlob(large.buffer);
    const read = new Uint8Array(await storage.readBlob(id));
    expect(Buffer.compare(read, large)).toBe(0);
  });
});

describe("a summary", () => {
  test("names what has not changed, and is uploaded with one request", async () => {
    const { storage } = await created();
    const before = await latest(storage);
    const attachment = await storage.createBlob(bytes.slice().buffer);
    gate.take();
    const context: ISummaryContext = {
      ackHandle: before.id,
      proposalHandle: undefined,
      referenceSequenceNumber: 0,
    };
    const uploaded = await storage.uploadSummaryWithContext(
      tree({
        ".metadata": blob("changed"),
        bytes: handle("/bytes"),
        named: tree({
          kept: handle("/named/with%20space"),
          percent: handle("/named/50%25"),
        }),
        ".blobs": tree({ x: { type: SummaryType.Attachment, id: attachment.id } }),
      }),
      context,
    );
    expect(gate.take()).toEqual(["POST /repos/fluid/git/summaries"]);
    expect(uploaded).toMatch(/^[0-9a-f]{40,64}$/);

    const git = new GitManager(new RestWrapper(gate.url, tokens, "fluid", "any"), "/repos/fluid");
    await expect(git.getTree(uploaded)).rejects.toMatchObject({ statusCode: 404 });
  });

  test("whose parts do not exist is refused", async () => {
    const { storage } = await created();
    const context = { ackHandle: undefined, proposalHandle: undefined, referenceSequenceNumber: 0 };
    const gone = handle("/gone");
    await expect(storage.uploadSummaryWithContext(tree({ gone }), context)).rejects.toMatchObject({
      statusCode: 400,
      canRetry: false,
    });
  });
});

test("GitManager reads and writes single objects", async () => {
  const { id } = await created();
  const git = new GitManager(new RestWrapper(gate.url, tokens, "fluid", id), "/repos/fluid");
  const { sha } = await git.createBlob("text");
  expect(await git.createBlob(new TextEncoder().encode("text"))).toMatchObject({ sha });
  expect(await git.getBlob(sha)).toMatchObject({ sha, content: btoa("text"), size: 4 });
  const made = await git.createTree({ tree: [{ path: "a b", sha }] });
  expect(await git.getTree(made.sha)).toMatchObject({ tree: [{ path: "a b", sha }] });
  const author = { name: "N", email: "e@example.com" };
  const commit = await git.createCommit({ tree: made.sha, message: "m", author });
  expect(await git.getCommit(commit.sha)).toMatchObject({ tree: { sha: made.sha } });
  const ref = await git.getRef(`heads/${id}`);
  expect((await git.getRefs()).map(({ object }) => object.sha)).toEqual([ref.object.sha]);
  expect(
    (await git.getTree((await git.getCommit(ref.object.sha)).tree.sha, true)).tree,
  ).toContainEqual(expect.objectContaining({ path: "named/with space", type: "tree" }));
  expect(await git.updateRef(`heads/${id}`, commit.sha)).toMatchObject({
    object: { sha: commit.sha },
  });
});

describe("costs", () => {
  test("a cold load takes at most four requests", async () => {
    const writer = await App.create(service);
    open.push(writer);
    for (let at = 0; at < 50; at++) writer.root.set(`key ${at}`, at);
    await writer.saved();
    gate.take();
    const reader = await App.load(gate, writer.id);
    open.push(reader);
    await reader.sees("key 49", 49);
    await until(() => reader.container.connectionState === 2, { what: "a connected reader" });
    const asked = gate.take();
    console.log(`cold load: ${asked.length} requests`, asked);
    expect(asked.filter((line) => line.includes("/socket/websocket"))).toHaveLength(1);
    expect(asked.length).toBeLessThanOrEqual(4);
  });
});
