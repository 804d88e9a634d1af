// Server-backed presence against the real service.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Service, tenants } from "levee-testkit/service";
import { pause, until } from "levee-testkit/wait";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../e2e/src/app.ts";
import type { LeveePresence } from "../src/index.ts";
import { type LeveeOpener, leveeOpener, serializations } from "./app.ts";

interface Cursor {
  readonly x: number;
  readonly y: number;
}

function isCursor(state: object): state is Cursor {
  return "x" in state && typeof state.x === "number" && "y" in state && typeof state.y === "number";
}

let service: Service;
const apps: App[] = [];

beforeEach(async () => {
  service = await Service.start();
});
afterEach(async () => {
  for (const app of apps.splice(0)) app.container.dispose();
  await service?.stop();
});

/** A member of the document, and its presence. */
interface Peer {
  readonly app: App;
  readonly userId: string;
  readonly presence: LeveePresence<Cursor>;
}

async function enter(opener: LeveeOpener, documentId?: string): Promise<Peer> {
  let app: App;
  if (documentId === undefined) {
    const created = await opener.create();
    app = created.app;
    await created.attach();
  } else app = await opener.load(documentId);
  apps.push(app);
  return { app, userId: opener.user.id, presence: opener.servicesOf(app).presence(isCursor) };
}

function shown({ presence }: Peer): Record<string, Cursor[]> {
  return Object.fromEntries(
    [...presence.users()].map(([userId, clients]) => [userId, clients.map(({ state }) => state)]),
  );
}

async function expectShown(
  peers: readonly Peer[],
  users: Record<string, Cursor[]>,
  timeoutMs = 5000,
) {
  const sorted = (value: Record<string, Cursor[]>) =>
    JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  await until(() => peers.every((peer) => sorted(shown(peer)) === sorted(users)), {
    what: `everyone to list ${JSON.stringify(users)}`,
    timeoutMs,
    seen: () => peers.map(shown),
  });
}

describe.each(serializations)("over %s", (serialization) => {
  test("who joins, changes and leaves is listed by everyone who is present", async () => {
    const ada = await enter(leveeOpener(service, { serialization }));
    const bob = await enter(leveeOpener(service, { serialization }), ada.app.documentId);
    expect(ada.presence.isCurrent).toBe(false);
    const heard: string[] = [];
    ada.presence.on("joined", ({ userId, state }) => heard.push(`+${userId} ${state.x}`));
    ada.presence.on("left", ({ userId, state }) => heard.push(`-${userId} ${state.x}`));
    ada.presence.on("updated", ({ userId, state }, before) =>
      heard.push(`${userId} ${before.state.x}>${state.x}`),
    );
    bob.presence.join({ x: 1, y: 1 });
    ada.presence.join({ x: 2, y: 2 });
    await expectShown([ada, bob], {
      [ada.userId]: [{ x: 2, y: 2 }],
      [bob.userId]: [{ x: 1, y: 1 }],
    });
    expect(ada.presence.isCurrent).toBe(true);
    const entry = ada.presence.entries().find(({ userId }) => userId === bob.userId);
    await until(() => bob.app.audience.getMyself() !== undefined, { what: "bob as a member" });
    expect(entry?.clientId).toBe(bob.app.audience.getMyself()?.currentConnection);

    for (let x = 3; x <= 50; x++) bob.presence.update({ x, y: 0 });
    await expectShown([ada, bob], {
      [ada.userId]: [{ x: 2, y: 2 }],
      [bob.userId]: [{ x: 50, y: 0 }],
    });
    bob.presence.leave();
    await expectShown([ada], { [ada.userId]: [{ x: 2, y: 2 }] });
    expect(bob.presence.entries()).toEqual([]);
    expect(bob.presence.local).toBeUndefined();
    const ofBob = heard.filter((line) => line.includes(bob.userId));
    expect(ofBob.at(0)).toBe(`+${bob.userId} 1`);
    expect(ofBob.at(-2)).toMatch(/>50$/);
    expect(ofBob.at(-1)).toBe(`-${bob.userId} 50`);
    // Of the updates of one moment the first and the last are sent, or the last alone.
    expect(ofBob.length).toBeLessThanOrEqual(4);
  });

  test("after kill -9 of the service everyone is present again by themselves", async () => {
    const ada = await enter(leveeOpener(service, { serialization }));
    const bob = await enter(leveeOpener(service, { serialization }), ada.app.documentId);
    ada.presence.join({ x: 1, y: 1 });
    bob.presence.join({ x: 2, y: 2 });
    const both = { [ada.userId]: [{ x: 1, y: 1 }], [bob.userId]: [{ x: 2, y: 2 }] };
    await expectShown([ada, bob], both);
    const before = ada.presence.entries().map(({ clientId }) => clientId);
    await service.kill();
    await until(() => !ada.presence.isCurrent && !bob.presence.isCurrent, { what: "both cut off" });
    expect(shown(ada)).toEqual(both);
    bob.presence.update({ x: 3, y: 3 });
    await service.resume();
    await until(() => ada.presence.isCurrent && bob.presence.isCurrent, { what: "both back" });
    await expectShown([ada, bob], {
      [ada.userId]: [{ x: 1, y: 1 }],
      [bob.userId]: [{ x: 3, y: 3 }],
    });
    for (const { clientId } of ada.presence.entries()) expect(before).not.toContain(clientId);
  });
});

test("one user is present through every one of its clients", async () => {
  const opener = leveeOpener(service);
  const first = await enter(opener);
  const second = await enter(opener, first.app.documentId);
  first.presence.join({ x: 1, y: 0 });
  await expectShown([first], { [first.userId]: [{ x: 1, y: 0 }] });
  second.presence.join({ x: 2, y: 0 });
  await expectShown([first, second], {
    [first.userId]: [
      { x: 1, y: 0 },
      { x: 2, y: 0 },
    ],
  });
});

test("presence may be joined before the document is attached", async () => {
  const opener = leveeOpener(service);
  const { app, attach } = await opener.create();
  apps.push(app);
  const presence = opener.servicesOf(app).presence(isCursor);
  presence.join({ x: 5, y: 5 });
  await attach();
  await until(() => presence.entries().length === 1, { what: "the own presence" });
  expect(presence.entries()).toMatchObject([{ userId: opener.user.id, state: { x: 5, y: 5 } }]);
});

test("whoever says something of another form is left out", async () => {
  const ada = await enter(leveeOpener(service));
  const opener = leveeOpener(service);
  const other = await opener.load(ada.app.documentId);
  apps.push(other);
  const loose = opener.servicesOf(other).presence();
  ada.presence.join({ x: 1, y: 1 });
  loose.join({ x: "one" });
  await until(() => loose.entries().length === 2, { what: "both at the one without a check" });
  await expectShown([ada], { [ada.userId]: [{ x: 1, y: 1 }] });
  loose.update({ x: 9, y: 9 });
  await until(() => ada.presence.entries().length === 2, { what: "a state of the right form" });
});

test("a killed peer is gone from the presence and the audience within two seconds", async () => {
  const ada = await enter(leveeOpener(service));
  ada.presence.join({ x: 0, y: 0 });
  const { id, key } = tenants.fluid;
  const peer = spawn(
    process.execPath,
    [join(import.meta.dirname, "peer.mjs"), service.url, id, key, ada.app.documentId],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  try {
    await until(() => ada.presence.users().has("peer"), {
      what: "the peer's presence",
      seen: () => shown(ada),
    });
    await until(() => ada.app.audience.getMembers().has("peer"), { what: "the peer as a member" });
  } finally {
    peer.kill("SIGKILL");
    await once(peer, "exit");
  }
  const deadMs = performance.now();
  await expectShown([ada], { [ada.userId]: [{ x: 0, y: 0 }] }, 2000);
  await until(() => !ada.app.audience.getMembers().has("peer"), {
    what: "the audience without the peer",
    timeoutMs: 2000,
  });
  console.log(`a killed peer was gone after ${Math.round(performance.now() - deadMs)} ms`);
});

test("a container that is disconnected is absent until it is connected again", async () => {
  const ada = await enter(leveeOpener(service));
  const bob = await enter(leveeOpener(service), ada.app.documentId);
  ada.presence.join({ x: 1, y: 1 });
  bob.presence.join({ x: 2, y: 2 });
  await until(() => ada.presence.entries().length === 2, { what: "both" });
  await until(() => bob.presence.entries().length === 2, { what: "both at the other" });
  bob.app.container.disconnect();
  expect(bob.presence.isCurrent).toBe(false);
  await expectShown([ada], { [ada.userId]: [{ x: 1, y: 1 }] }, 2000);
  bob.presence.update({ x: 3, y: 3 });
  ada.presence.leave();
  bob.app.container.connect();
  await expectShown([bob], { [bob.userId]: [{ x: 3, y: 3 }] });
  expect(bob.presence.isCurrent).toBe(true);
});

test("a container that is disposed takes its presence along", async () => {
  const ada = await enter(leveeOpener(service));
  const bob = await enter(leveeOpener(service), ada.app.documentId);
  ada.presence.join({ x: 1, y: 1 });
  bob.presence.join({ x: 2, y: 2 });
  await until(() => ada.presence.entries().length === 2, { what: "both" });
  bob.app.container.dispose();
  await expectShown([ada], { [ada.userId]: [{ x: 1, y: 1 }] }, 2000);
  expect(bob.presence.isCurrent).toBe(false);
  bob.presence.update({ x: 3, y: 3 });
  await pause(100);
  expect(shown(ada)).toEqual({ [ada.userId]: [{ x: 1, y: 1 }] });
});
