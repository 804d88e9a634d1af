// REST as Levee's driver speaks it: Bearer tokens, deltas by pages, documents and git objects.

import { Service, tenants } from "levee-testkit/service";
import { needs } from "levee-testkit/target";
import { signToken, type TokenOptions } from "levee-testkit/tokens";
import { until } from "levee-testkit/wait";
import { afterAll, beforeAll, beforeEach, describe, expect } from "vitest";
import { PhoenixChannel, PhoenixSocket } from "../src/phoenix.ts";
import { bearer, createDocument, type RestOptions, rest, type SequencedOp } from "../src/rest.ts";

const tenant = tenants.fluid;
const phoenix = needs("phoenix");
let service: Service;
let documentId: string;

beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());
beforeEach(async () => {
  documentId = await createDocument(service, tenant);
});

function as(id: string, options?: TokenOptions): { authorization: string } {
  return { authorization: bearer(signToken(tenant, id, options)) };
}

async function call(method: string, path: string, options: RestOptions = {}) {
  return rest(service, method, path, { ...as(documentId), ...options });
}

phoenix("/health says exactly that it is well, also to HEAD", async () => {
  const answer = await rest(service, "GET", "/health");
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual({ status: "ok" });
  expect((await rest(service, "HEAD", "/health")).status).toBe(200);
});

phoenix("CORS preflights are answered on every path, and answers are open", async () => {
  for (const path of [
    `/documents/${tenant.id}`,
    `/documents/${tenant.id}/${documentId}`,
    `/deltas/${tenant.id}/${documentId}`,
    `/repos/${tenant.id}/git/blobs`,
    `/repos/${tenant.id}/git/refs/heads/${documentId}`,
  ]) {
    const preflight = await rest(service, "OPTIONS", path, {
      headers: {
        origin: "http://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    expect(preflight.status, path).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-headers")?.toLowerCase()).toContain(
      "authorization",
    );
    for (const method of ["GET", "POST", "PATCH"]) {
      expect(preflight.headers.get("access-control-allow-methods")).toContain(method);
    }
  }
  const answer = await call("GET", `/deltas/${tenant.id}/${documentId}`, {
    headers: { origin: "http://app.example" },
  });
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
});

describe("authorisation", () => {
  phoenix("each fault has its status and text", async () => {
    const path = `/documents/${tenant.id}/${documentId}`;
    const faults: readonly (readonly [string | undefined, number, RegExp])[] = [
      [undefined, 401, /^Missing Authorization header$/],
      ["Token x", 401, /^Invalid Authorization header format/],
      [bearer("x.y.z"), 401, /^Invalid token/],
      [bearer(signToken(tenant, documentId, { key: "another" })), 401, /^Invalid token signature$/],
      [bearer(signToken(tenant, documentId, { lifetimeSeconds: -60 })), 401, /expired/],
      [
        bearer(signToken(tenant, documentId, { claims: { tenantId: "another" } })),
        403,
        /^Token not valid for this tenant$/,
      ],
      [bearer(signToken(tenant, "another")), 403, /^Token not valid for this document$/],
      [
        bearer(signToken(tenant, documentId, { scopes: [] })),
        403,
        /^Missing required scopes: doc:read$/,
      ],
    ];
    for (const [authorization, status, text] of faults) {
      const answer = await rest(service, "GET", path, { authorization });
      expect(answer.status, String(text)).toBe(status);
      expect(answer.body).toEqual({ error: expect.stringMatching(text) });
    }
  });
});

describe("documents", () => {
  const summary = {
    type: 1,
    tree: {
      ".protocol": {
        type: 1,
        tree: {
          attributes: { type: 2, content: '{"minimumSequenceNumber":0,"sequenceNumber":0}' },
          quorumMembers: { type: 2, content: "[]" },
          quorumProposals: { type: 2, content: "[]" },
          quorumValues: { type: 2, content: "[]" },
        },
      },
      ".app": {
        type: 1,
        tree: {
          ".metadata": { type: 2, content: '{"ü":1}' },
          ".channels": { type: 1, tree: { "a b": { type: 2, content: { 0: 0, 1: 255, 2: 10 } } } },
        },
      },
    },
  };

  phoenix("create answers the bare id, and the tree is flattened for the driver", async () => {
    const created = await rest(service, "POST", `/documents/${tenant.id}`, {
      ...as("__new__"),
      body: { summary },
    });
    expect(created.status).toBe(201);
    expect(created.body).toBeTypeOf("string");
    documentId = created.body as string;

    const document = await call("GET", `/documents/${tenant.id}/${documentId}`);
    expect(document.body).toMatchObject({ id: documentId, tenantId: tenant.id });

    // Load as Levee's driver does: ref, commit, recursive tree, blobs.
    const git = `/repos/${tenant.id}/git`;
    const ref = await call("GET", `${git}/refs/heads/${documentId}`);
    expect(ref.body).toMatchObject({
      ref: `refs/heads/${documentId}`,
      object: { sha: expect.any(String), type: "commit" },
    });
    const { sha } = (ref.body as { object: { sha: string } }).object;
    const commit = (await call("GET", `${git}/commits/${sha}`)).body as Commit;
    expect(commit).toMatchObject({ sha, parents: [], author: { name: expect.any(String) } });
    const tree = (await call("GET", `${git}/trees/${commit.tree.sha}?recursive=1`)).body as Tree;
    const files = new Map<string, Buffer>();
    for (const entry of tree.tree) {
      if (entry.type !== "blob") continue;
      const blob = (await call("GET", `${git}/blobs/${entry.sha}`)).body as Blob;
      expect(blob.encoding).toBe("base64");
      files.set(entry.path, Buffer.from(blob.content, "base64"));
    }
    expect(files.get(".metadata")?.toString()).toBe('{"ü":1}');
    const bytes = [...files].find(([path]) => decodeURIComponent(path) === ".channels/a b")?.[1];
    expect(bytes).toEqual(Buffer.from([0, 255, 10]));
    expect(JSON.parse(files.get(".protocol/attributes")?.toString() ?? "")).toMatchObject({
      sequenceNumber: 0,
      minimumSequenceNumber: 0,
    });
    expect([...files.keys()].some((path) => path.startsWith(".app"))).toBe(false);
  });

  phoenix("an id may be chosen, once", async () => {
    const id = `chosen-${Date.now()}`;
    const create = () =>
      rest(service, "POST", `/documents/${tenant.id}`, { ...as(id), body: { id, summary } });
    expect(await create()).toMatchObject({ status: 201, body: id });
    expect(await create()).toMatchObject({
      status: 409,
      body: { error: "Document already exists" },
    });
  });

  phoenix("what does not exist is 404 with its text", async () => {
    const git = `/repos/${tenant.id}/git`;
    const nothing = "0".repeat(40);
    const absent: readonly (readonly [string, string])[] = [
      [`${git}/blobs/${nothing}`, "Blob not found"],
      [`${git}/trees/${nothing}`, "Tree not found"],
      [`${git}/commits/${nothing}`, "Commit not found"],
    ];
    for (const [path, error] of absent) {
      expect(await call("GET", path), path).toMatchObject({ status: 404, body: { error } });
    }
    const id = "no-such-document";
    expect(await rest(service, "GET", `/documents/${tenant.id}/${id}`, as(id))).toMatchObject({
      status: 404,
      body: { error: "Document not found" },
    });
  });
});

describe("git objects", () => {
  phoenix("blobs, trees, commits and refs are stored and read back", async () => {
    const git = `/repos/${tenant.id}/git`;
    const text = "Hello, Levee!";
    const blob = await call("POST", `${git}/blobs`, { body: { content: text, encoding: "utf-8" } });
    expect(blob.status).toBe(201);
    const { sha: blobSha } = blob.body as { sha: string };
    const again = await call("POST", `${git}/blobs`, {
      body: { content: Buffer.from(text).toString("base64"), encoding: "base64" },
    });
    expect((again.body as { sha: string }).sha).toBe(blobSha);
    expect((await call("GET", `${git}/blobs/${blobSha}`)).body).toMatchObject({
      sha: blobSha,
      size: text.length,
      content: Buffer.from(text).toString("base64"),
      encoding: "base64",
    });
    const entry = { path: "a.txt", mode: "100644", sha: blobSha, type: "blob" };
    const tree = await call("POST", `${git}/trees`, { body: { tree: [entry] } });
    expect(tree.status).toBe(201);
    const { sha: treeSha } = tree.body as { sha: string };
    expect((await call("GET", `${git}/trees/${treeSha}`)).body).toMatchObject({
      sha: treeSha,
      tree: [entry],
    });
    const author = { name: "T", email: "t@example.com", date: 1_700_000_000 };
    const commit = await call("POST", `${git}/commits`, {
      body: { tree: treeSha, parents: [], message: "first", author },
    });
    expect(commit.status).toBe(201);
    const { sha: commitSha } = commit.body as { sha: string };
    expect((await call("GET", `${git}/commits/${commitSha}`)).body).toMatchObject({
      sha: commitSha,
      tree: { sha: treeSha },
      parents: [],
      message: "first",
      author: { name: "T", email: "t@example.com" },
    });
  });

  phoenix("faulty bodies are 400, and storing needs summary:write", async () => {
    const git = `/repos/${tenant.id}/git`;
    expect(
      await call("POST", `${git}/blobs`, { body: { content: "%%%", encoding: "base64" } }),
    ).toMatchObject({ status: 400, body: { error: "Invalid base64 content" } });
    expect(await call("POST", `${git}/blobs`, { body: {} })).toMatchObject({
      status: 400,
      body: { error: "Missing or invalid content" },
    });
    const forbidden = await rest(service, "POST", `${git}/blobs`, {
      ...as(documentId, { scopes: ["doc:read", "doc:write"] }),
      body: { content: "x", encoding: "utf-8" },
    });
    expect(forbidden).toMatchObject({
      status: 403,
      body: { error: "Missing required scopes: summary:write" },
    });
  });
});

describe("deltas", () => {
  /** The pages that Levee's driver asks for, from `from` on, until it believes to be at the end. */
  async function fetchAsDriver(from: number): Promise<SequencedOp[]> {
    const ops: SequencedOp[] = [];
    let last = from;
    for (let page = 0; page < 100; page++) {
      const answer = await call("GET", `/deltas/${tenant.id}/${documentId}?from=${last}`);
      expect(answer.status).toBe(200);
      const { value } = answer.body as { value: SequencedOp[] };
      const newest = value.at(-1);
      if (newest === undefined) return ops;
      ops.push(...value);
      last = newest.sequenceNumber;
    }
    throw new Error("the driver would ask for ever");
  }

  phoenix("a page answers up to its `to`, ascending, under `value`", async () => {
    const socket = await PhoenixSocket.open(service, "json");
    const channel = await PhoenixChannel.open(socket, tenant, documentId);
    await channel.joined();
    for (let i = 0; i < 5; i++) await channel.write(i);
    const answer = await call("GET", `/deltas/${tenant.id}/${documentId}?from=2&to=5`);
    const { value } = answer.body as { value: SequencedOp[] };
    const numbers = value.map(({ sequenceNumber }) => sequenceNumber);
    // Whether 2 is among them is the service's choice: the driver needs neither and bears both.
    expect(numbers.filter((number) => number !== 2)).toEqual([3, 4, 5]);
    const everything = (await call("GET", `/deltas/${tenant.id}/${documentId}`)).body;
    expect((everything as { value: SequencedOp[] }).value).toEqual(
      channel.ops().map((op) => expect.objectContaining(withoutAbsent(op))),
    );
    socket.close();
  });

  phoenix("an unknown document has no ops", async () => {
    const id = "no-such-document";
    expect(await rest(service, "GET", `/deltas/${tenant.id}/${id}`, as(id))).toMatchObject({
      status: 200,
      body: { value: [] },
    });
  });

  phoenix("a client that loads a long document gets every op of it", async () => {
    const socket = await PhoenixSocket.open(service, "json");
    const writer = await PhoenixChannel.open(socket, tenant, documentId);
    await writer.joined();
    const OPS = 4500;
    for (let sent = 0; sent < OPS; sent += 100) {
      writer.submit(Array.from({ length: 100 }, () => writer.nextOp()));
      await until(() => writer.head() >= sent, { what: "the writer to be echoed" });
    }
    await until(() => writer.head() === OPS + 1, { what: "every op", seen: () => writer.head() });

    const late = await PhoenixChannel.open(
      await PhoenixSocket.open(service, "json"),
      tenant,
      documentId,
    );
    await late.joined();
    // The snapshot is at 0, so the loader asks for 1 and what follows, and the driver hands that
    // number on as it is. With what the connection brings, nothing may be missing.
    const known = new Map<number, SequencedOp>();
    for (const op of [...(await fetchAsDriver(1)), ...late.ops()]) known.set(op.sequenceNumber, op);
    const numbers = [...known.keys()].sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: OPS + 2 }, (_, index) => index + 1));
    socket.close();
  });
});

function withoutAbsent(op: SequencedOp): Partial<SequencedOp> {
  return Object.fromEntries(
    Object.entries(op).filter(([, value]) => value !== null && value !== undefined),
  );
}

interface Commit {
  readonly tree: { readonly sha: string };
}

interface Tree {
  readonly tree: readonly { readonly path: string; readonly type: string; readonly sha: string }[];
}

interface Blob {
  readonly content: string;
  readonly encoding: string;
}
