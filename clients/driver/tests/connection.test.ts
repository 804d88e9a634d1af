// A single connection against a service that a test writes, for what the real one seldom does.

import type { IClient, IDocumentMessage } from "@fluidframework/driver-definitions/legacy";
import { pause, until } from "levee-testkit/wait";
import { afterEach, describe, expect, test } from "vitest";
import { type DeltaConnectionOptions, LeveeDeltaConnection, LeveeError } from "../src/index.ts";
import { PhoenixServer, type Script, success } from "./support/phoenixServer.ts";

const client: IClient = {
  mode: "write",
  details: { capabilities: { interactive: true } },
  permission: [],
  user: { id: "u" },
  scopes: [],
};

let server: PhoenixServer | undefined;
let connection: LeveeDeltaConnection | undefined;

afterEach(async () => {
  connection?.dispose();
  await server?.close();
  connection = server = undefined;
});

/** Answers `connect_document` by `answer`, and nothing else. */
function whenAsked(answer: (peer: Parameters<Script>[0]) => void): Script {
  return (peer, [, , , event]) => {
    if (event === "connect_document") answer(peer);
  };
}

const succeeding = whenAsked((peer) => peer.push("connect_document_success", success));

async function begin(
  script: Script,
  options: Partial<DeltaConnectionOptions> = {},
  refuseJoins?: object | "silence",
): Promise<LeveeDeltaConnection> {
  server = await PhoenixServer.start(script, refuseJoins);
  connection = LeveeDeltaConnection.begin({
    socketUrl: server.socketUrl,
    tenantId: "t",
    documentId: "d",
    token: "jwt",
    client,
    ...options,
  });
  return connection;
}

function received(event: string) {
  return server?.peers[0]?.received.filter(([, , , name]) => name === event) ?? [];
}

function message(clientSequenceNumber: number, contents: unknown = "{}"): IDocumentMessage {
  return { type: "op", contents, clientSequenceNumber, referenceSequenceNumber: 0 };
}

function op(sequenceNumber: number) {
  return { sequenceNumber, contents: '{"snake_case":1}', metadata: { a_b: 1 } };
}

async function failure(promise: Promise<unknown>): Promise<LeveeError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LeveeError);
  return error as LeveeError;
}

test.each([
  ["write", undefined],
  ["read", 7],
] as const)("a %s connection tells Fluid of the checkpoint %s", async (mode, told) => {
  const opening = await begin(
    whenAsked((peer) =>
      peer.push("connect_document_success", { ...success, mode, checkpointSequenceNumber: 7 }),
    ),
    { mode, client: { ...client, mode } },
  );
  await opening.ready;
  expect(opening.checkpointSequenceNumber).toBe(told);
});

describe("opening", () => {
  test("says what the service needs, and puts itself among the clients", async () => {
    const opened = await begin(succeeding);
    await opened.ready;
    expect(received("phx_join")[0]?.slice(2)).toEqual([
      "document:t:d",
      "phx_join",
      { token: "jwt" },
    ]);
    expect(received("connect_document")[0]?.[4]).toEqual({
      tenantId: "t",
      id: "d",
      token: "jwt",
      client,
      mode: "write",
      versions: ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
    });
    expect(opened.clientId).toBe("me");
    expect(opened.initialClients).toEqual([{ clientId: "me", client }]);
  });

  test("the token is not in the socket's address", async () => {
    const opened = await begin(succeeding);
    await opened.ready;
    expect(server?.peers[0]?.url).toBe("/socket/websocket?vsn=2.0.0");
  });

  test("nothing can be read of a connection that does not stand", async () => {
    const opening = await begin(() => {});
    expect(() => opening.clientId).toThrow(LeveeError);
    expect(() => opening.initialMessages).toThrow(LeveeError);
    expect(() => opening.presence.join({})).toThrow(LeveeError);
  });

  test("operations and signals before the answer, and before anybody listens, are kept", async () => {
    const opened = await begin(
      whenAsked((peer) => {
        peer.push("op", { documentId: "d", op: [op(3)] });
        peer.push("signal", { clientId: "x", content: '"1"' });
        peer.push("connect_document_success", { ...success, initialMessages: [op(1), op(2)] });
        peer.push("op", { documentId: "d", op: [op(4)] });
        peer.push("signal", { clientId: "x", content: '"2"' });
      }),
    );
    await opened.ready;
    await until(() => opened.initialSignals.length === 2, { what: "the second signal" });
    expect(opened.initialMessages).toEqual([1, 2, 3, 4].map(op));
    expect(opened.initialSignals.map(({ content }) => content)).toEqual(['"1"', '"2"']);
    const live: unknown[] = [];
    opened.on("op", (documentId, ops) => live.push([documentId, ops]));
    server?.peers[0]?.push("op", { documentId: "d", op: [op(5)] });
    await until(() => live.length === 1, { what: "an op" });
    expect(live).toEqual([["d", [op(5)]]]);
    expect(opened.initialMessages).toHaveLength(4);
  });

  test("an end of reading is told when too many operations wait for a reader", async () => {
    const opened = await begin(succeeding);
    await opened.ready;
    const reasons: LeveeError[] = [];
    opened.on("disconnect", (reason) => reasons.push(reason));
    const many = Array.from({ length: 10_001 }, (_, at) => ({ sequenceNumber: at + 1 }));
    server?.peers[0]?.push("op", { documentId: "d", op: many });
    await until(() => reasons.length === 1, { what: "the end" });
    expect(reasons[0]).toMatchObject({ canRetry: true });
    expect(opened.disposed).toBe(true);
  });

  test.each([
    [
      { code: 403, message: "no" },
      { canRetry: false, statusCode: 403 },
    ],
    [
      { code: 503, message: "later", retryAfterMs: 250 },
      { canRetry: true, statusCode: 503, retryAfterSeconds: 0.25 },
    ],
  ])("a refusal with %j", async (payload, expected) => {
    const opening = await begin(whenAsked((peer) => peer.push("connect_document_error", payload)));
    const error = await failure(opening.ready);
    expect(error).toMatchObject(expected);
    expect(error.message).toBe(`connect_document failed: ${payload.message}`);
    expect(opening.disposed).toBe(true);
  });

  test("an answer without a client id can be tried again", async () => {
    const opening = await begin(whenAsked((peer) => peer.push("connect_document_success", {})));
    expect(await failure(opening.ready)).toMatchObject({
      errorType: "incorrectServerResponse",
      canRetry: true,
    });
  });

  test.each([
    [{ reason: "invalid_topic" }, false],
    [{ reason: "try later" }, true],
  ])("a join refused with %j", async (response, canRetry) => {
    const opening = await begin(() => {}, {}, response);
    const error = await failure(opening.ready);
    expect(error).toMatchObject({ canRetry });
    expect(error.message).toBe(`join refused: ${response.reason}`);
  });

  test("an address that is none is an error for good", async () => {
    const opening = await begin(succeeding, { socketUrl: "ws://[not an address" });
    expect(await failure(opening.ready)).toMatchObject({
      errorType: "usageError",
      canRetry: false,
    });
    expect(opening.disposed).toBe(true);
  });

  test("nobody listening is an error that can be tried again", async () => {
    const opening = await begin(succeeding, { socketUrl: "ws://127.0.0.1:9/socket" });
    expect(await failure(opening.ready)).toMatchObject({
      canRetry: true,
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test.each([
    ["the reply to the join", () => {}, "silence"],
    ["the answer to connect_document", () => {}, undefined],
  ] as const)("%s is not awaited for ever", async (what, script, refuseJoins) => {
    const opening = await begin(script, { answerTimeoutMs: 300 }, refuseJoins);
    const error = await failure(opening.ready);
    expect(error).toMatchObject({ canRetry: true });
    expect(error.message).toBe(`${what} did not come within 300 ms`);
  });

  test("the handshake is not awaited for ever", async () => {
    const { createServer } = await import("node:net");
    const deaf = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => deaf.once("listening", resolve));
    const { port } = deaf.address() as { port: number };
    const opening = await begin(succeeding, {
      socketUrl: `ws://127.0.0.1:${port}/socket`,
      socketTimeoutMs: 300,
    });
    const error = await failure(opening.ready);
    expect(error.message).toBe("the socket did not come within 300 ms");
    expect(error.canRetry).toBe(true);
    deaf.close();
  });

  test("one that is disposed while it opens does not open", async () => {
    const opening = await begin(() => {});
    await until(() => received("connect_document").length === 1, { what: "the request" });
    opening.dispose();
    expect(await failure(opening.ready)).toMatchObject({ canRetry: false });
    const early = await begin(succeeding);
    early.dispose();
    await failure(early.ready);
    expect(server?.peers).toHaveLength(0);
  });
});

describe("sending", () => {
  test("what is submitted before the connection stands is sent in order when it does", async () => {
    let answer = () => {};
    const opening = await begin(
      whenAsked((peer) => {
        answer = () => peer.push("connect_document_success", success);
      }),
    );
    opening.submit([message(1), message(2)]);
    opening.submit([message(3)]);
    await until(() => received("connect_document").length === 1, { what: "the request" });
    expect(received("submitOp")).toEqual([]);
    answer();
    await opening.ready;
    opening.submit([message(4)]);
    await until(() => received("submitOp").length === 2, { what: "both submissions" });
    const batches = received("submitOp").map(([, , , , payload]) => payload);
    expect(batches).toEqual([
      { clientId: "me", messageBatches: [[1, 2, 3].map((n) => message(n))] },
      { clientId: "me", messageBatches: [[message(4)]] },
    ]);
  });

  test("too much of it ends the attempt, and Fluid submits it again on the next", async () => {
    const opening = await begin(() => {});
    opening.submit(Array.from({ length: 10_000 }, (_, at) => message(at + 1)));
    expect(opening.disposed).toBe(false);
    opening.submit([message(10_001)]);
    expect(await failure(opening.ready)).toMatchObject({ canRetry: true });
  });

  test("contents are the string they were; what is absent is left out", async () => {
    const opened = await begin(succeeding);
    await opened.ready;
    const contents = '{"snake_case":{"a_b":[1]},"ü":"\\u0000"}';
    opened.submit([
      { ...message(1, contents), metadata: { batch_id: 1 }, compression: "lz4" },
      { ...message(2, contents), metadata: undefined },
    ]);
    opened.submit([]);
    opened.submitSignal('"all"');
    opened.submitSignal('"one"', "other");
    await until(() => received("submitSignal").length === 2, { what: "both signals" });
    expect(received("submitOp").map(([, , , , payload]) => payload)).toEqual([
      {
        clientId: "me",
        messageBatches: [
          [
            { ...message(1, contents), metadata: { batch_id: 1 }, compression: "lz4" },
            message(2, contents),
          ],
        ],
      },
    ]);
    expect(received("submitSignal").map(([, , , , payload]) => payload)).toEqual([
      { clientId: "me", contentBatches: [[{ content: '"all"' }]] },
      { clientId: "me", contentBatches: [[{ content: '"one"', targetClientId: "other" }]] },
    ]);
  });
});

describe("receiving", () => {
  test("a nack is what Fluid reads: one object with its content", async () => {
    const opened = await begin(succeeding);
    await opened.ready;
    const nacks: unknown[] = [];
    opened.on("nack", (documentId, list) => nacks.push([documentId, list]));
    const content = { code: 400, type: "BadRequestError", message: "m" };
    const nack = { operation: message(1), sequenceNumber: 7, content };
    server?.peers[0]?.push("nack", { clientId: "", ...nack, nacks: [nack] });
    await until(() => nacks.length === 1, { what: "the nack" });
    expect(nacks).toEqual([["d", [nack]]]);
  });

  test.each([
    ["a closed socket", (peer) => peer.socket.close(1012, "restart")],
    ["a lost socket", (peer) => peer.socket.terminate()],
    ["a closed channel", (peer) => peer.push("phx_close", {})],
    ["a failed channel", (peer) => peer.push("phx_error", {})],
    ["an unreadable frame", (peer) => peer.socket.send("[1,")],
    ["a frame that is no message", (peer) => peer.socket.send("{}")],
  ] as [string, (peer: Parameters<Script>[0]) => void][])(
    "%s is one disconnect, which can be tried again",
    async (_what, end) => {
      const opened = await begin(succeeding);
      await opened.ready;
      const reasons: LeveeError[] = [];
      opened.on("disconnect", (reason) => reasons.push(reason));
      const peer = server?.peers[0];
      if (peer === undefined) throw new Error("nobody connected");
      end(peer);
      await until(() => reasons.length > 0, { what: "the disconnect" });
      expect(opened.disposed).toBe(true);
      await pause(200);
      expect(reasons).toHaveLength(1);
      expect(reasons[0]).toBeInstanceOf(LeveeError);
      expect(reasons[0]).toMatchObject({ canRetry: true, errorType: "genericNetworkError" });
      // Fluid makes the next connection; the old one must not come back by itself.
      expect(server?.peers).toHaveLength(1);
    },
  );

  test("a disposed connection says and sends nothing more", async () => {
    const opened = await begin(succeeding);
    await opened.ready;
    const events: unknown[] = [];
    for (const name of ["disconnect", "error", "op"] as const) {
      opened.on(name, () => events.push(name));
    }
    opened.dispose();
    opened.dispose();
    opened.submit([message(1)]);
    opened.submitSignal("");
    await until(() => server?.peers[0]?.socket.readyState === 3, { what: "the closed socket" });
    expect(events).toEqual([]);
    expect(received("submitOp")).toEqual([]);
  });

  test("a listener that throws does not keep the others from hearing", async () => {
    const opened = await begin(succeeding);
    await opened.ready;
    const thrown: unknown[] = [];
    const catchThrown = (error: unknown) => thrown.push(error);
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", catchThrown);
    const heard: unknown[] = [];
    opened.once("signal", () => {
      throw new Error("a fault of the app");
    });
    opened.on("signal", (signal) => heard.push(signal));
    server?.peers[0]?.push("signal", { clientId: "x", content: "1" });
    server?.peers[0]?.push("signal", { clientId: "x", content: "2" });
    await until(() => heard.length === 2 && thrown.length === 1, { what: "both signals" });
    process.off("uncaughtException", catchThrown);
    for (const listener of before) process.on("uncaughtException", listener);
    expect(thrown).toEqual([expect.objectContaining({ message: "a fault of the app" })]);
  });
});
