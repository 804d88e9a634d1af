// A bare Socket.IO client: nacks, refusals, signals and `/deltas`, compared in shape with what the
// reference service was recorded to answer.

import { createHash } from "node:crypto";
import { Service, tenants } from "levee-testkit/service";
import { everywhere, needs } from "levee-testkit/target";
import { signToken } from "levee-testkit/tokens";
import { pause, until } from "levee-testkit/wait";
import { afterAll, beforeAll, beforeEach, describe, expect } from "vitest";
import { type ConnectFault, type ConnectOptions, Probe } from "../src/probe.ts";
import {
  createDocument,
  emptyDocument,
  ordererAuth,
  readDeltas,
  rest,
  type SequencedOp,
  storageAuth,
} from "../src/rest.ts";

const tenant = tenants.tinylicious;
let service: Service;
let documentId: string;
const open: Probe[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());
beforeEach(async () => {
  for (const probe of open.splice(0)) probe.close();
  documentId = await createDocument(service, tenant);
});

async function join(options: ConnectOptions = {}, id = documentId): Promise<Probe> {
  const probe = await Probe.join(service, tenant, id, options);
  open.push(probe);
  if (probe.connected?.mode === "write") await probe.joined();
  return probe;
}

async function refusal(options: ConnectOptions, id = documentId): Promise<ConnectFault> {
  const probe = await Probe.open(service);
  open.push(probe);
  const outcome = await probe.connectDocument(tenant, id, options);
  if ("claims" in outcome) throw new Error(`accepted: ${JSON.stringify(outcome)}`);
  return outcome;
}

describe("connect_document", () => {
  everywhere("is answered with everything the driver checks", async () => {
    const first = await join({ user: { id: "u1", name: "One" } });
    const second = await join({ user: { id: "u2", name: "Two" } });
    const { connected } = second;
    expect(connected).toMatchObject({
      claims: {
        documentId,
        tenantId: tenant.id,
        scopes: ["doc:read", "doc:write", "summary:write"],
        user: { id: "u2", name: "Two" },
        ver: "1.0",
      },
      existing: true,
      mode: "write",
      initialMessages: expect.any(Array),
      initialSignals: expect.any(Array),
      serviceConfiguration: { blockSize: expect.any(Number), maxMessageSize: expect.any(Number) },
      supportedFeatures: { submit_signals_v2: true },
      supportedVersions: expect.arrayContaining(["^0.4.0"]),
      version: "^0.4.0",
      maxMessageSize: expect.any(Number),
      timestamp: expect.any(Number),
    });
    expect(connected?.clientId).not.toBe(first.clientId);
    expect(connected?.initialClients).toEqual([
      {
        clientId: first.clientId,
        client: expect.objectContaining({
          mode: "write",
          scopes: ["doc:read", "doc:write"],
          user: { id: "u1", name: "One" },
        }),
      },
    ]);
  });

  everywhere("a join is an op with its payload in `data`, and a signal to the joiner", async () => {
    const probe = await join();
    const op = await probe.joined();
    expect(op).toMatchObject({
      clientId: null,
      clientSequenceNumber: -1,
      contents: null,
      referenceSequenceNumber: -1,
      sequenceNumber: 1,
      timestamp: expect.any(Number),
      type: "join",
    });
    expect(JSON.parse(op.data ?? "")).toEqual({
      clientId: probe.clientId,
      detail: expect.objectContaining({ mode: "write", scopes: ["doc:read", "doc:write"] }),
    });
    const signals = probe.received.filter(([name]) => name === "signal");
    expect(signals).toHaveLength(1);
    const [[, signal] = []] = signals;
    expect(signal).toMatchObject({ clientId: null });
    expect(JSON.parse((signal as { content: string }).content)).toMatchObject({
      type: "join",
      content: { clientId: probe.clientId, client: { mode: "write" } },
    });
  });

  everywhere("a leave is an op with the quoted client id, and a signal", async () => {
    const stays = await join();
    const leaves = await join();
    leaves.close();
    const leave = await stays.op(({ type }) => type === "leave", "the leave op");
    expect(leave).toMatchObject({ clientId: null, data: JSON.stringify(leaves.clientId) });
    const wanted = JSON.stringify({ type: "leave", content: leaves.clientId });
    await until(
      () =>
        stays.received.some(
          ([name, body]) => name === "signal" && (body as { content: string }).content === wanted,
        ),
      { what: "the leave signal" },
    );
  });

  everywhere("only a summarizer keeps summary:write in what the others are shown", async () => {
    const summarizer = await join({ clientType: "summarizer", interactive: false });
    const other = await join({ mode: "read" });
    expect(other.connected).toMatchObject({ mode: "read", maxMessageSize: 1024 });
    expect(other.connected?.initialClients).toEqual([
      {
        clientId: summarizer.clientId,
        client: expect.objectContaining({ scopes: ["doc:read", "doc:write", "summary:write"] }),
      },
    ]);
  });

  everywhere("without doc:write a writer becomes a reader", async () => {
    const reader = await join({ scopes: ["doc:read"] });
    expect(reader.connected).toMatchObject({ mode: "read", claims: { scopes: ["doc:read"] } });
    const scribe = await join({ scopes: ["summary:write"] });
    expect(scribe.connected?.mode).toBe("read");
  });

  everywhere("refusals have the reference’s codes and texts", async () => {
    expect(await refusal({ message: { token: null } })).toMatchObject({
      code: 403,
      message: "Must provide an authorization token",
    });
    expect(await refusal({ message: { token: "not a token" } })).toMatchObject({
      code: 401,
      message: "Invalid token",
    });
    expect(await refusal({ message: { token: signToken(tenant, "other") } })).toMatchObject({
      code: 403,
      message: "DocumentId and/or TenantId in token claims do not match requested resource",
    });
    expect(await refusal({ claims: { scopes: undefined } })).toMatchObject({
      code: 403,
      message: "Missing scopes in token claims",
    });
    expect(await refusal({ message: { versions: ["^9.0.0"] } })).toMatchObject({
      code: 400,
      message: expect.stringMatching(
        /^Unsupported client protocol\. Server: .* Client: \^9\.0\.0$/,
      ),
    });
    expect(await refusal({ message: { client: undefined } })).toMatchObject({
      code: 400,
      message: "Invalid connection message",
    });
  });

  needs("auth")("a token that is expired or signed by another is refused with 401", async () => {
    expect(await refusal({ lifetimeSeconds: -60 })).toMatchObject({ code: 401 });
    expect(await refusal({ key: "another key" })).toMatchObject({ code: 401 });
    expect(await refusal({ claims: { exp: undefined } })).toMatchObject({ code: 401 });
  });

  needs("absent")("an absent document is refused, in both modes, and in time", async () => {
    expect(await refusal({ mode: "write" }, "no-such-document")).toMatchObject({ code: 404 });
    expect(await refusal({ mode: "read" }, "no-such-document")).toMatchObject({ code: 404 });
  });

  everywhere("the app’s ping is acknowledged with nothing", async () => {
    const probe = await Probe.open(service);
    open.push(probe);
    expect(await probe.socket.timeout(5000).emitWithAck("ping")).toBeUndefined();
  });
});

describe("submitOp", () => {
  everywhere("an op comes back with its number, its text untouched", async () => {
    const probe = await join();
    const contents = '{ "spaced" :  1.0, "ü\\u00fc": "\\/" }';
    const metadata = { batchId: "b", nested: { deep: [1, 2] } };
    probe.submit({ contents, metadata });
    const op = await probe.op(({ clientId }) => clientId === probe.clientId, "the echo");
    expect(op).toMatchObject({
      clientId: probe.clientId,
      clientSequenceNumber: 1,
      contents,
      metadata,
      referenceSequenceNumber: 1,
      sequenceNumber: 2,
      timestamp: expect.any(Number),
      type: "op",
    });
    expect(op.minimumSequenceNumber).toBeLessThan(op.sequenceNumber);
  });

  everywhere(
    "a duplicate is dropped, a gap is nacked, and the right number still goes",
    async () => {
      const probe = await join();
      await probe.write("first");
      const seen = probe.received.length;
      probe.submitRaw([op(1, probe)]);
      probe.submitRaw([op(5, probe)]);
      const { documentId: named, nack } = await probe.nack();
      expect(named).toBe(documentId);
      expect(nack).toMatchObject({
        content: {
          code: 400,
          type: "BadRequestError",
          message: "Gap detected in incoming op",
        },
        operation: { clientSequenceNumber: 5, type: "op" },
        sequenceNumber: expect.any(Number),
      });
      expect(probe.received.slice(seen).map(([name]) => name)).toEqual(["nack"]);
      probe.submitRaw([op(2, probe)]);
      const echo = await probe.op(({ clientSequenceNumber }) => clientSequenceNumber === 2, "op 2");
      expect(echo.sequenceNumber).toBe(3);
    },
  );

  everywhere("system messages from a client are not allowed", async () => {
    for (const type of ["join", "leave", "noClient", "control", "summaryAck", "summaryNack"]) {
      const probe = await join();
      probe.submit({ type });
      const { nack } = await probe.nack();
      expect(nack, type).toMatchObject({
        content: { code: 400, type: "BadRequestError", message: "Op not allowed" },
      });
      probe.close();
    }
  });

  everywhere("a reference below the minimum is nacked, and the client with it", async () => {
    const probe = await join();
    for (let i = 0; i < 3; i++) await probe.write(i);
    probe.submit({ referenceSequenceNumber: 1 });
    expect((await probe.nack()).nack).toMatchObject({
      content: { code: 400, message: expect.stringMatching(/^Refseq 1 < \d+$/) },
    });
    probe.submit();
    expect((await probe.nack()).nack).toMatchObject({
      content: { code: 400, message: "Nonexistent client" },
    });
  });

  needs("sequencing")("a reference ahead of the document is refused", async () => {
    const probe = await join();
    const other = await join();
    probe.submit({ referenceSequenceNumber: 9999 });
    expect((await probe.nack()).nack.content.code).toBe(400);
    const echo = await other.write("still in order");
    expect(echo.minimumSequenceNumber).toBeLessThan(echo.sequenceNumber);
  });

  everywhere("an unknown client id is nacked on the socket", async () => {
    const probe = await join();
    probe.submitRaw([op(1, probe)], "nobody");
    expect(await probe.nack()).toEqual({
      documentId: "",
      nack: {
        sequenceNumber: -1,
        content: { code: 400, type: "BadRequestError", message: "Nonexistent client" },
      },
    });
  });

  everywhere("a reader’s op is nacked: 400 if it could write, 403 if it may not", async () => {
    const couldWrite = await join({ mode: "read" });
    couldWrite.submit({ referenceSequenceNumber: 0 });
    expect((await couldWrite.nack()).nack.content).toEqual({
      code: 400,
      type: "BadRequestError",
      message: "Readonly client",
    });
    const mayNot = await join({ mode: "read", scopes: ["doc:read"] });
    mayNot.submit({ referenceSequenceNumber: 0 });
    expect((await mayNot.nack()).nack.content).toEqual({
      code: 403,
      type: "InvalidScopeError",
      message: "Invalid scope",
    });
  });

  everywhere("ops between two writers keep one order, and the minimum never falls", async () => {
    const writers = [await join(), await join()];
    for (let i = 0; i < 100; i++) for (const writer of writers) writer.submit();
    const own = (probe: Probe) => probe.ops().filter(({ type }) => type === "op").length;
    await until(() => writers.every((probe) => own(probe) === 200), {
      what: "200 ops at both",
      seen: () => writers.map(own),
    });
    const [first, second] = writers.map((probe) => probe.ops());
    expect(second).toEqual(first?.slice(1));
    const numbers = first?.map(({ sequenceNumber }) => sequenceNumber);
    expect(numbers).toEqual(numbers?.map((_, index) => index + 1));
    const minimums = first?.map(({ minimumSequenceNumber }) => minimumSequenceNumber) ?? [];
    expect(minimums).toEqual([...minimums].sort((a, b) => a - b));
  });
});

describe("summarize", () => {
  needs("summaryNack")("a summary of nothing known is nacked in the document’s order", async () => {
    const probe = await join({ clientType: "summarizer", interactive: false });
    probe.submit({
      type: "summarize",
      contents: JSON.stringify({
        handle: "0123456789012345678901234567890123456789",
        head: "",
        message: "m",
        parents: [],
      }),
    });
    const proposal = await probe.op(({ type }) => type === "summarize", "the summarize op");
    const answer = await probe.op(({ type }) => type === "summaryNack", "a summaryNack");
    expect(answer.clientId).toBeNull();
    expect(JSON.parse(answer.data ?? "")).toMatchObject({
      message: expect.any(String),
      summaryProposal: { summarySequenceNumber: proposal.sequenceNumber },
    });
  });

  everywhere("an interactive client may not summarize", async () => {
    const probe = await join();
    probe.submit({
      type: "summarize",
      contents: JSON.stringify({ handle: "x", head: "", message: "m", parents: [] }),
    });
    expect((await probe.nack()).nack.content).toMatchObject({
      code: 403,
      type: "InvalidScopeError",
      message: `Client ${probe.clientId} does not have summary permission`,
    });
  });
});

describe("submitSignal", () => {
  function signals(probe: Probe): Record<string, unknown>[] {
    return probe.received
      .filter(([name]) => name === "signal")
      .map(([, body]) => body as Record<string, unknown>)
      .filter(({ clientId }) => clientId !== null);
  }

  everywhere("comes back as one object, with what v2 adds", async () => {
    const [sender, other] = [await join(), await join({ mode: "read" })];
    const signal = {
      content: '"x"',
      type: "t",
      clientConnectionNumber: 3,
      referenceSequenceNumber: 2,
    };
    sender.socket.emit("submitSignal", sender.clientId, [signal]);
    await until(() => [sender, other].every((probe) => signals(probe).length === 1), {
      what: "the signal at both",
    });
    for (const probe of [sender, other]) {
      expect(signals(probe)).toEqual([{ ...signal, clientId: sender.clientId }]);
    }
  });

  everywhere("a client without v2 submits the old form, and all receive it", async () => {
    const older = await join({ message: { supportedFeatures: undefined } });
    const newer = await join();
    older.socket.emit("submitSignal", older.clientId, [['"a"'], '"b"']);
    await until(() => signals(newer).length === 2, {
      what: "two signals",
      seen: () => newer.received.slice(-4),
    });
    expect(signals(newer).map(({ content }) => content)).toEqual(['"a"', '"b"']);
  });

  everywhere("a wrong form or an unknown client is nacked", async () => {
    const probe = await join();
    for (const bad of [[["v1 form"]], "no list"]) {
      probe.socket.emit("submitSignal", probe.clientId, bad);
      expect(await probe.nack()).toEqual({
        documentId: "",
        nack: {
          sequenceNumber: -1,
          content: { code: 400, type: "BadRequestError", message: "Invalid signal message" },
        },
      });
    }
    probe.socket.emit("submitSignal", "nobody", [{ content: "x" }]);
    expect((await probe.nack()).nack.content.message).toBe("Nonexistent client");
  });

  needs("signalTargets")("a target in another document gets nothing", async () => {
    const sender = await join();
    const stranger = await join({}, await createDocument(service, tenant));
    sender.socket.emit("submitSignal", sender.clientId, [
      { content: '"leak"', targetClientId: stranger.clientId },
    ]);
    // What is sent after it would arrive after it: signals of one sender keep their order.
    sender.socket.emit("submitSignal", sender.clientId, [{ content: '"after"' }]);
    await until(() => signals(sender).length === 1, { what: "the signal after" });
    await pause(200);
    expect(signals(stranger)).toEqual([]);
  });
});

describe("/deltas", () => {
  everywhere("shows exactly what the socket showed, with both bounds exclusive", async () => {
    const probe = await join();
    for (let i = 0; i < 5; i++) await probe.write({ i });
    const shown = probe.ops().map(essence);
    const stored = await readDeltas(service, tenant, documentId);
    expect(stored.map(essence)).toEqual(shown);
    const authorization = ordererAuth(signToken(tenant, documentId));
    const part = await rest(
      service,
      "GET",
      `/deltas/${tenant.id}/${documentId}?from=2&to=5&fetchReason=x`,
      { authorization },
    );
    expect(part.headers.get("content-type")).toContain("application/json");
    const numbers = (part.body as { sequenceNumber: number }[]).map((op) => op.sequenceNumber);
    expect(numbers).toEqual([3, 4]);
  });

  /** The members that clients compare between the socket and `/deltas`. */
  function essence(op: SequencedOp) {
    const { clientId, clientSequenceNumber, contents, data, type, timestamp } = op;
    const { minimumSequenceNumber, referenceSequenceNumber, sequenceNumber, metadata } = op;
    return {
      clientId,
      clientSequenceNumber,
      contents,
      data,
      metadata,
      minimumSequenceNumber,
      referenceSequenceNumber,
      sequenceNumber,
      timestamp,
      type,
    };
  }
});

describe("REST by hand", () => {
  const create = `/documents/${tenant.id}`;
  const authorization = ordererAuth(signToken(tenant, ""));

  everywhere("an id may be chosen, once; and a document needs a summary", async () => {
    const id = `chosen-${Date.now()}`;
    const chosen = { authorization: ordererAuth(signToken(tenant, id)) };
    const first = await rest(service, "POST", create, {
      ...chosen,
      body: { ...emptyDocument, id },
    });
    expect(first).toMatchObject({ status: 201, body: id });
    const second = await rest(service, "POST", create, {
      ...chosen,
      body: { ...emptyDocument, id },
    });
    expect([400, 409]).toContain(second.status);
    const without = await rest(service, "POST", create, {
      authorization,
      body: { ...emptyDocument, summary: undefined },
    });
    expect(without.status).toBe(400);
  });

  everywhere("the one-request envelope replaces method, headers and body", async () => {
    const envelope = async (members: readonly (readonly [string, string])[], path = create) => {
      const response = await fetch(`${service.url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded;restless" },
        body: new URLSearchParams(members.map(([name, value]) => [name, value])),
      });
      return { response, body: await response.text() };
    };
    const created = await envelope([
      ["method", "POST"],
      ["header", `Authorization: ${authorization}`],
      ["header", "x-driver-version: 2.111.0"],
      ["body", JSON.stringify(emptyDocument)],
    ]);
    expect(created.response.status).toBe(201);
    expect(created.response.headers.get("content-type")).toContain("application/json");
    // No preflight asks before such a request, so the answer itself must be open to the page.
    expect(created.response.headers.get("access-control-allow-origin")).toBe("*");
    const id = JSON.parse(created.body) as string;
    const deltas = await envelope(
      [
        ["method", "GET"],
        ["header", `Authorization: ${ordererAuth(signToken(tenant, id))}`],
      ],
      `/deltas/${tenant.id}/${id}?from=0&to=10`,
    );
    expect(deltas.response.status).toBe(200);
    expect(JSON.parse(deltas.body)).toEqual([]);
    expect((await envelope([["header", "x: y"]])).response.status).toBeGreaterThanOrEqual(400);
  });

  everywhere("preflights let browsers send what older drivers send", async () => {
    const preflight = await rest(service, "OPTIONS", `/deltas/${tenant.id}/${documentId}`, {
      headers: {
        origin: "http://app.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization,x-driver-version",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    const allowed = preflight.headers.get("access-control-allow-headers")?.toLowerCase() ?? "";
    for (const name of ["authorization", "x-driver-version"]) expect(allowed).toContain(name);
  });

  everywhere("what is not there is refused, and does not look like an empty document", async () => {
    const storage = { authorization: storageAuth(tenant, signToken(tenant, documentId)) };
    const nothing = "0".repeat(40);
    for (const path of [
      `/repos/${tenant.id}/git/blobs/${nothing}`,
      `/repos/${tenant.id}/git/trees/${nothing}`,
      `/repos/${tenant.id}/commits?count=1&sha=${nothing}`,
    ]) {
      expect([400, 404], path).toContain((await rest(service, "GET", path, storage)).status);
    }
  });

  everywhere("a blob’s id is git’s, and its bytes come back", async () => {
    const storage = { authorization: storageAuth(tenant, signToken(tenant, documentId)) };
    const bytes = Buffer.from([0, 255, 10, 13, 0x80]);
    const blobs = `/repos/${tenant.id}/git/blobs`;
    const stored = await rest(service, "POST", blobs, {
      ...storage,
      body: { content: bytes.toString("base64"), encoding: "base64" },
    });
    const sha = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
    expect(stored).toMatchObject({ status: 201, body: { sha } });
    const read = await rest(service, "GET", `${blobs}/${sha}`, storage);
    expect(read.body).toMatchObject({ sha, size: 5, encoding: "base64" });
    expect((read.body as { content: string }).content).toBe(bytes.toString("base64"));
  });
});

function op(csn: number, probe: Probe): Record<string, unknown> {
  return {
    clientSequenceNumber: csn,
    referenceSequenceNumber: probe.head(),
    type: "op",
    contents: '"x"',
  };
}
