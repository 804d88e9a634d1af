// The document services on the real service: tokens, scopes, signals, presence.

import type { IClient } from "@fluidframework/driver-definitions/legacy";
import { Service, tenants } from "levee-testkit/service";
import { signToken, type TokenOptions } from "levee-testkit/tokens";
import { until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  type LeveeDeltaConnection,
  LeveeDocumentService,
  LeveeUrlResolver,
  type SerializationFormat,
  type TokenProvider,
} from "../src/index.ts";
import { App } from "./support/app.ts";
import { Gate } from "./support/gate.ts";
import { PhoenixServer, success } from "./support/phoenixServer.ts";

const tenant = tenants.fluid;
const open: LeveeDeltaConnection[] = [];
let service: Service;
let gate: Gate;
let id: string;

beforeAll(async () => {
  service = await Service.start();
  gate = await Gate.before(service);
  const app = await App.create(service);
  app.root.set("a", 1);
  await app.saved();
  id = app.id;
  app.container.close();
});
afterAll(async () => {
  await gate.close();
  await service.stop();
});
afterEach(() => {
  gate.instead = () => undefined;
  for (const connection of open.splice(0)) connection.dispose();
});

/** Signs tokens as it is told, and counts. */
class Tokens implements TokenProvider {
  readonly refreshes: boolean[] = [];
  readonly #options: (refresh: boolean) => TokenOptions;

  constructor(options: (refresh: boolean) => TokenOptions = () => ({})) {
    this.#options = options;
  }

  fetchOrdererToken(_tenantId: string, documentId = "", refresh = false) {
    return this.#token(documentId, refresh);
  }

  fetchStorageToken(_tenantId: string, documentId: string, refresh = false) {
    return this.#token(documentId, refresh);
  }

  async #token(documentId: string, refresh: boolean) {
    this.refreshes.push(refresh);
    return { jwt: signToken(tenant, documentId, this.#options(refresh)) };
  }
}

function client(mode: "read" | "write" = "write", userId = "u"): IClient {
  return {
    mode,
    details: { capabilities: { interactive: true } },
    permission: [],
    user: { id: userId },
    scopes: [],
  };
}

async function document(
  tokens: TokenProvider,
  documentId = id,
  serialization?: SerializationFormat,
): Promise<LeveeDocumentService> {
  const resolver = new LeveeUrlResolver(undefined, gate.url);
  const resolved = await resolver.resolve(resolver.createRequestForDocument(documentId));
  if (resolved === undefined) throw new Error("not resolved");
  return new LeveeDocumentService(resolved, tokens, undefined, serialization);
}

async function connected(
  options: {
    tokens?: TokenProvider;
    client?: IClient;
    documentId?: string;
    serialization?: SerializationFormat;
  } = {},
): Promise<LeveeDeltaConnection> {
  const { tokens = new Tokens(), documentId, serialization } = options;
  const services = await document(tokens, documentId, serialization);
  const connection = await services.connectToDeltaStream(options.client ?? client());
  open.push(connection);
  return connection;
}

describe.each(["json", "msgpack"] as const)("in %s", (serialization) => {
  test("a connection knows what Fluid asks of it", async () => {
    const first = await connected({ serialization });
    const asked = client("write", "second");
    const second = await connected({ serialization, client: asked });
    expect(second).toMatchObject({
      mode: "write",
      existing: true,
      version: expect.any(String),
      maxMessageSize: expect.any(Number),
      serviceConfiguration: { blockSize: expect.any(Number), maxMessageSize: expect.any(Number) },
      activeSerialization: serialization,
      disposed: false,
    });
    expect(second.claims.scopes).toContain("doc:write");
    expect(second.claims.documentId).toBe(id);
    const clients = Object.fromEntries(
      second.initialClients.map((known) => [known.clientId, JSON.stringify(known.client)]),
    );
    expect(clients[first.clientId]).toBe(JSON.stringify(client()));
    expect(clients[second.clientId]).toBe(JSON.stringify(asked));
    const joins = () => second.initialMessages.filter(({ type }) => type === "join");
    await until(() => joins().some(({ data }) => data?.includes(second.clientId)), {
      what: "the own join",
    });
    for (const { timestamp, sequenceNumber } of second.initialMessages) {
      expect([typeof timestamp, typeof sequenceNumber]).toEqual(["number", "number"]);
    }
  });

  test("contents and metadata come back as they were sent", async () => {
    const connection = await connected({ serialization });
    const contents = '{"snake_case":{"a_b":[1,"ü\\u0000",1e300]}}';
    const metadata = { batch_id: "b", nested: { c_d: [null, true] } };
    const seen: unknown[] = [];
    let last = connection.initialMessages.at(-1)?.sequenceNumber ?? 0;
    connection.on("op", (_documentId, ops) => {
      for (const op of ops) if (op.clientId === connection.clientId) seen.push(op);
      last = ops.at(-1)?.sequenceNumber ?? last;
    });
    await until(() => last > 0, { what: "the own join" });
    connection.submit([
      {
        type: "op",
        contents,
        metadata,
        compression: "lz4",
        clientSequenceNumber: 1,
        referenceSequenceNumber: last,
      },
    ]);
    await until(() => seen.length === 1, { what: "the echo" });
    expect(seen[0]).toMatchObject({ contents, metadata, compression: "lz4" });
  });

  test("signals reach everybody, or whom they are for", async () => {
    const sender = await connected({ serialization });
    const other = await connected({ serialization });
    const heard = [sender, other].map((connection) => {
      const signals: [string | null, unknown][] = [];
      connection.on("signal", ({ clientId, content }) => {
        if (clientId !== null) signals.push([clientId, content]);
      });
      return signals;
    });
    sender.submitSignal('{"a_b":1}');
    sender.submitSignal('"to the other"', other.clientId);
    sender.submitSignal('"last"');
    await until(() => heard.every((signals) => signals.at(-1)?.[1] === '"last"'), {
      what: "the last signal",
    });
    const from = sender.clientId;
    expect(heard).toEqual([
      [
        [from, '{"a_b":1}'],
        [from, '"last"'],
      ],
      [
        [from, '{"a_b":1}'],
        [from, '"to the other"'],
        [from, '"last"'],
      ],
    ]);
  });

  test("presence shows who is here, and who has gone", async () => {
    const as = (userId: string) => new Tokens(() => ({ user: { id: userId, name: userId } }));
    const ada = await connected({ serialization, tokens: as("ada") });
    const bob = await connected({ serialization, tokens: as("bob") });
    const changes: string[][] = [];
    ada.presence.on("changed", (state) => changes.push(Object.keys(state).sort()));
    ada.presence.join({ cursor_at: 1 });
    bob.presence.join({ cursor_at: 2 });
    await until(() => Object.keys(ada.presence.state).length === 2, { what: "both" });
    expect(ada.presence.state.bob?.metas).toEqual([
      { clientId: bob.clientId, phx_ref: expect.any(String), cursor_at: 2 },
    ]);
    bob.presence.update({ cursor_at: 3 });
    await until(() => ada.presence.state.bob?.metas[0]?.cursor_at === 3, { what: "the change" });
    bob.dispose();
    await until(() => ada.presence.state.bob === undefined, { what: "the leaving" });
    ada.presence.leave();
    await until(() => ada.presence.state.ada === undefined, { what: "the own leaving" });
    expect(changes).toContainEqual(["ada", "bob"]);
    expect(changes.at(-1)).toEqual([]);
    const refusals: string[] = [];
    ada.presence.on("refused", (reason) => refusals.push(reason));
    ada.presence.update({ cursor_at: 4 });
    await until(() => refusals.length === 1, { what: "the refusal" });
  });
});

describe("tokens", () => {
  test("one that was refused is renewed, once", async () => {
    const tokens = new Tokens((refresh) => (refresh ? {} : { lifetimeSeconds: -60 }));
    await connected({ tokens });
    expect(tokens.refreshes).toEqual([false, true]);
    const storage = await (await document(tokens)).connectToStorage();
    await storage.getVersions(null, 1);
    expect(tokens.refreshes).toEqual([false, true, false, true]);
  });

  test.each([
    ["expired", { lifetimeSeconds: -60 }, 401],
    ["wrongly signed", { key: "another" }, 401],
    ["for another tenant", { claims: { tenantId: "another" } }, 403],
    ["for another document", { claims: { documentId: "another" } }, 403],
    ["without any scope", { scopes: [] }, 403],
  ] as [string, TokenOptions, number][])(
    "one that is %s ends in an error for good",
    async (_what, options, statusCode) => {
      const tokens = new Tokens(() => options);
      const refused = { errorType: "authorizationError", canRetry: false, statusCode };
      await expect(connected({ tokens })).rejects.toMatchObject(refused);
      expect(tokens.refreshes).toEqual([false, true]);
      const deltas = await (await document(tokens)).connectToDeltaStorage();
      await expect(deltas.fetchMessages(1, undefined).read()).rejects.toMatchObject(refused);
    },
  );

  test("who may only read is connected for reading", async () => {
    const tokens = new Tokens(() => ({ scopes: ["doc:read"] }));
    const connection = await connected({ tokens });
    expect(connection.mode).toBe("read");
    expect(tokens.refreshes).toEqual([false]);
    const storage = await (await document(tokens)).connectToStorage();
    await storage.getVersions(null, 1);
    const summary = { type: 1 as const, tree: {} };
    const context = { ackHandle: undefined, proposalHandle: undefined, referenceSequenceNumber: 0 };
    await expect(storage.uploadSummaryWithContext(summary, context)).rejects.toMatchObject({
      statusCode: 403,
      canRetry: false,
    });
  });

  test("a provider that fails is told, with whether to try again", async () => {
    const failing = (canRetry: boolean): TokenProvider => {
      const fail = () => Promise.reject(Object.assign(new Error("no session"), { canRetry }));
      return { fetchOrdererToken: fail, fetchStorageToken: fail };
    };
    await expect(connected({ tokens: failing(false) })).rejects.toMatchObject({
      errorType: "fetchTokenError",
      message: "no token: no session",
      canRetry: false,
    });
    const storage = await (await document(failing(true))).connectToStorage();
    await expect(storage.getVersions(null, 1)).rejects.toMatchObject({
      errorType: "fetchTokenError",
      canRetry: true,
    });
  });
});

describe("connecting", () => {
  test("to a document that nobody created makes its first session", async () => {
    const connection = await connected({ documentId: "never-created" });
    expect(connection.claims.documentId).toBe("never-created");
  });

  test("is tried again while the service cannot be reached", async () => {
    let refusals = 3;
    gate.instead = (asked) =>
      asked.includes("/socket/websocket") && refusals-- > 0 ? { status: 503 } : undefined;
    gate.take();
    await connected();
    expect(gate.take().filter((asked) => asked.includes("/socket/websocket"))).toHaveLength(4);
  });

  test("is given back to Fluid when it takes too long", async () => {
    gate.instead = () => null;
    const before = performance.now();
    await expect(connected()).rejects.toMatchObject({ canRetry: true });
    expect(performance.now() - before).toBeLessThan(10_000);
  }, 15_000);

  test("is slower each time to a service that hangs up at once", async () => {
    const rude = await PhoenixServer.start((peer, [, , , event]) => {
      if (event !== "connect_document") return;
      peer.push("connect_document_success", success);
      peer.socket.close(1011);
    });
    const resolver = new LeveeUrlResolver(rude.socketUrl, gate.url);
    const resolved = await resolver.resolve({ url: "d" });
    if (resolved === undefined) throw new Error("not resolved");
    const services = new LeveeDocumentService(resolved, new Tokens());
    const before = performance.now();
    for (let at = 0; at < 6; at++) {
      const connection = await services.connectToDeltaStream(client());
      await until(() => connection.disposed, { what: "the hanging up" });
    }
    // At least 50 + 100 + 200 + 400 + 800 ms.
    expect(performance.now() - before).toBeGreaterThan(1500);
    await rude.close();
  });

  test("ends when the service of the document is disposed", async () => {
    gate.instead = () => null;
    const services = await document(new Tokens());
    const connecting = services.connectToDeltaStream(client());
    services.dispose();
    await expect(connecting).rejects.toMatchObject({ canRetry: false });
    expect(services.disposed).toBe(true);
  });
});

describe("storage", () => {
  test.each([
    [429, { retryAfter: 2000 }, { errorType: "throttlingError", retryAfterSeconds: 2 }],
    [503, { retryAfter: 1000 }, { errorType: "genericNetworkError", retryAfterSeconds: 1 }],
    [502, "<html>", { errorType: "genericNetworkError" }],
  ])("status %i can be tried again", async (status, body, expected) => {
    const storage = await (await document(new Tokens())).connectToStorage();
    gate.instead = () => ({ status, body });
    await expect(storage.getVersions(null, 1)).rejects.toMatchObject({
      ...expected,
      statusCode: status,
      canRetry: true,
    });
  });

  test("a service that cannot be reached can be tried again", async () => {
    const storage = await (await document(new Tokens())).connectToStorage();
    gate.instead = () => null;
    await expect(storage.getVersions(null, 1)).rejects.toMatchObject({
      errorType: "fetchFailure",
      statusCode: 0,
      canRetry: true,
    });
  });
});
