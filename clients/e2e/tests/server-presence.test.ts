// Server-backed presence (`presence_v1`) on both wires, read by the npm `phoenix` client's Presence.

import { Service, tenants } from "levee-testkit/service";
import { needs } from "levee-testkit/target";
import type { User } from "levee-testkit/tokens";
import { until } from "levee-testkit/wait";
import { Presence } from "phoenix";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Format, type PhoenixChannel, PhoenixSocket } from "../src/phoenix.ts";
import { Probe } from "../src/probe.ts";
import { createDocument } from "../src/rest.ts";

const tenant = tenants.fluid;
const presence = needs("presenceEvents");
let service: Service;
const open: { close(): void }[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});
afterAll(() => service.stop());

const [ada, bob, cyd] = ["ada", "bob", "cyd"].map((id) => ({ id, name: id })) as [User, User, User];

interface Meta {
  readonly phx_ref: string;
  readonly clientId: string;
  readonly [key: string]: unknown;
}

/** A Phoenix member, and what its Presence lists: the metas of each user, without their refs. */
class Member {
  readonly socket: PhoenixSocket;
  readonly channel: PhoenixChannel;
  readonly #presence: Presence;

  static async open(documentId: string, format: Format, user: User): Promise<Member> {
    const socket = await PhoenixSocket.open(service, format);
    open.push(socket);
    const channel = socket.channel(tenant, documentId);
    const presence = new Presence(channel.channel);
    await channel.join();
    const [event] = await channel.connectDocument({ user });
    expect(event).toBe("connect_document_success");
    return new Member(socket, channel, presence);
  }

  private constructor(socket: PhoenixSocket, channel: PhoenixChannel, presence: Presence) {
    this.socket = socket;
    this.channel = channel;
    this.#presence = presence;
  }

  list(): Record<string, Record<string, unknown>[]> {
    const users: Record<string, Record<string, unknown>[]> = {};
    this.#presence.list((key, { metas }: { metas: Meta[] }) => {
      users[key] = metas.map(({ phx_ref: _ref, ...meta }) => meta);
    });
    return users;
  }
}

async function expectList(members: readonly Member[], list: unknown): Promise<void> {
  const wanted = JSON.stringify(list, sorted);
  await until(() => members.every((member) => JSON.stringify(member.list(), sorted) === wanted), {
    what: `everyone to list ${wanted}`,
    timeoutMs: 5000,
    seen: () => members.map((member) => member.list()),
  });
}

/** Objects as text whatever the order of their keys. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

presence("who joins, changes and leaves is listed by everyone, on both wires", async () => {
  const documentId = await createDocument(service, tenant);
  const first = await Member.open(documentId, "json", ada);
  const second = await Member.open(documentId, "msgpack", bob);
  const probe = await Probe.join(service, tenant, documentId, { user: cyd });
  open.push(probe);

  first.channel.push("joinPresence", { meta: { cursor: 1 } });
  await until(() => first.list().ada !== undefined, { what: "the own presence" });
  second.channel.push("joinPresence", { meta: { cursor: 2 } });
  probe.socket.emit("joinPresence", probe.clientId, { cursor: 3 });
  const [a, b, c] = [first.channel.clientId, second.channel.clientId, probe.clientId];
  await expectList([first, second], {
    ada: [{ clientId: a, cursor: 1 }],
    bob: [{ clientId: b, cursor: 2 }],
    cyd: [{ clientId: c, cursor: 3 }],
  });
  const [, stateOf, state] = await probe.next("presence_state");
  expect(stateOf).toBe(documentId);
  expect(Object.keys(state as object)).toContain("cyd");

  first.channel.push("updatePresence", { meta: { cursor: 10 } });
  probe.socket.emit("leavePresence", probe.clientId);
  await expectList([first, second], {
    ada: [{ clientId: a, cursor: 10 }],
    bob: [{ clientId: b, cursor: 2 }],
  });

  second.socket.close();
  await expectList([first], { ada: [{ clientId: a, cursor: 10 }] });
});

presence("one user may be present through several clients", async () => {
  const documentId = await createDocument(service, tenant);
  const first = await Member.open(documentId, "json", ada);
  const again = await Member.open(documentId, "json", ada);
  first.channel.push("joinPresence", { meta: { tab: 1 } });
  await until(() => first.list().ada !== undefined, { what: "the first tab" });
  again.channel.push("joinPresence", { meta: { tab: 2 } });
  await until(() => first.list().ada?.length === 2, { what: "two tabs" });
  expect(first.list().ada?.map(({ tab }) => tab)).toEqual([1, 2]);
  first.socket.close();
  await expectList([again], { ada: [{ clientId: again.channel.clientId, tab: 2 }] });
});

presence("a change by one who is not present, or of a wrong form, is an error", async () => {
  const documentId = await createDocument(service, tenant);
  const member = await Member.open(documentId, "json", ada);
  member.channel.push("updatePresence", { meta: { cursor: 1 } });
  expect((await member.channel.next("presence_error"))[1]).toMatchObject({
    reason: expect.any(String),
  });
  member.channel.push("joinPresence", { meta: "no object" });
  expect((await member.channel.next("presence_error"))[1]).toMatchObject({
    reason: expect.any(String),
  });
  expect(member.list()).toEqual({});
});
