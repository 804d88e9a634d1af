// In a page, to which `phoenix` listens for as long as it lives.

import type { IClient } from "@fluidframework/driver-definitions/legacy";
import { pause, until } from "levee-testkit/wait";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PhoenixServer, success } from "./support/phoenixServer.ts";

// `phoenix` looks for the page when it is loaded.
const page = vi.hoisted(() => {
  const listeners: [string, () => void][] = [];
  const addEventListener = (name: string, listener: () => void) => listeners.push([name, listener]);
  Object.assign(globalThis, {
    window: { addEventListener },
    document: { visibilityState: "visible" },
  });
  return listeners;
});

const { LeveeDeltaConnection } = await import("../src/index.ts");

const client: IClient = {
  mode: "write",
  details: { capabilities: { interactive: true } },
  permission: [],
  user: { id: "u" },
  scopes: [],
};

let server: PhoenixServer;
beforeEach(async () => {
  page.length = 0;
  server = await PhoenixServer.start((peer, [, , , event]) => {
    if (event === "connect_document") peer.push("connect_document_success", success);
  });
});
afterEach(() => server.close());

function connect(socketUrl = server.socketUrl) {
  return LeveeDeltaConnection.create(socketUrl, "t", "d", "jwt", client);
}

/** What the browser does when somebody looks at the page again. */
function show(): void {
  for (const [name, listener] of page) if (name === "visibilitychange") listener();
}

test("many attempts listen to the page no more than one does", async () => {
  await expect(connect("ws://127.0.0.1:9/socket")).rejects.toMatchObject({ canRetry: true });
  const once = page.length;
  expect(once).toBeGreaterThan(0);
  for (let attempt = 0; attempt < 10; attempt++) {
    // As long as it takes to close a socket; attempts are never closer together for long.
    await pause(250);
    await expect(connect("ws://127.0.0.1:9/socket")).rejects.toMatchObject({ canRetry: true });
  }
  expect(page.length).toBe(once);
});

test("a socket that is used again is as good as a new one", async () => {
  const lost: unknown[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    const connection = await connect();
    connection.on("disconnect", (reason) => lost.push(reason));
    const peer = server.peers[attempt];
    expect(peer?.received.map(([, , , event]) => event)).toEqual(["phx_join", "connect_document"]);
    connection.submit([
      { type: "op", contents: "{}", clientSequenceNumber: 1, referenceSequenceNumber: 0 },
    ]);
    await until(() => peer?.received.length === 3, { what: "the op" });
    if (attempt % 2 === 0) peer?.push("phx_error", {});
    else peer?.socket.terminate();
    await until(() => lost.length === attempt + 1, { what: "the loss" });
    await until(() => peer?.socket.readyState === 3, { what: "the closed socket" });
    await pause(200);
  }
  expect(page.filter(([name]) => name === "visibilitychange")).toHaveLength(1);
  // A channel that failed would join again after a second.
  const connection = await connect();
  await pause(1500);
  expect(server.peers.at(-1)?.received.map(([, , , event]) => event)).toEqual([
    "phx_join",
    "connect_document",
  ]);
  connection.dispose();
});

test("a page that becomes visible opens nothing that was closed", async () => {
  const connection = await connect();
  connection.dispose();
  const lost = await connect();
  server.peers.at(-1)?.socket.terminate();
  await until(() => lost.disposed, { what: "the loss" });
  await pause(200);
  show();
  await pause(500);
  expect(server.peers).toHaveLength(2);
});

test("a page that becomes visible leaves a connection that stands", async () => {
  const connection = await connect();
  show();
  await pause(300);
  expect(connection.disposed).toBe(false);
  expect(server.peers).toHaveLength(1);
  connection.dispose();
});
