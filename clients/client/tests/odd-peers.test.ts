// Members who say less of themselves than Fluid's clients do; and Fluid's own presence.

import { getPresence } from "fluid-framework/beta";
import { Service, tenants } from "levee-testkit/service";
import { until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { App } from "../../e2e/src/app.ts";
import { type PhoenixChannel, PhoenixSocket } from "../../e2e/src/phoenix.ts";
import { leveeOpener } from "./app.ts";

let service: Service;
const apps: App[] = [];
const sockets: PhoenixSocket[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterEach(() => {
  for (const app of apps.splice(0)) app.container.dispose();
  for (const socket of sockets.splice(0)) socket.close();
});
afterAll(() => service?.stop());

/** Connects with `client` as it is. */
async function connect(documentId: string, client: object): Promise<PhoenixChannel | undefined> {
  const socket = await PhoenixSocket.open(service, "json");
  sockets.push(socket);
  const channel = socket.channel(tenants.fluid, documentId);
  await channel.join();
  const [event] = await channel.connectDocument({ message: { client } });
  return event === "connect_document_success" ? channel : undefined;
}

const details = { capabilities: { interactive: true } };
const rest = { permission: [], scopes: [], mode: "write" };

test("a member without a name is in the audience, under its id", async () => {
  const opener = leveeOpener(service);
  const { app, attach } = await opener.create();
  apps.push(app);
  const documentId = await attach();
  const { audience } = opener.servicesOf(app);
  const heard: string[] = [];
  audience.on("memberAdded", (_clientId, { name }) => heard.push(name));
  expect(await connect(documentId, { details, user: { id: "nameless" }, ...rest })).toBeDefined();
  await until(() => audience.getMembers().has("nameless"), { what: "the member without a name" });
  expect(audience.getMembers().get("nameless")?.name).toBe("nameless");
  await until(() => heard.includes("nameless"), { what: "memberAdded", seen: () => heard });
});

test.each([
  ["no user", { details, ...rest }],
  ["a user without an id", { details, user: { name: "Bare" }, ...rest }],
  ["no capabilities", { details: {}, user: { id: "bare" }, ...rest }],
  ["no details", { user: { id: "bare" }, ...rest }],
])(
  "a client with %s is refused: Fluid would close everybody's container",
  async (_name, client) => {
    const opener = leveeOpener(service);
    const { app, attach } = await opener.create();
    apps.push(app);
    const documentId = await attach();
    expect(await connect(documentId, client)).toBeUndefined();
    const other = leveeOpener(service);
    apps.push(await other.load(documentId));
    const { audience } = opener.servicesOf(app);
    await until(() => audience.getMembers().size === 2, { what: "both who were let in" });
    expect(apps.map(({ container }) => container.disposed)).toEqual([false, false]);
  },
);

test("Fluid's own presence works as well", async () => {
  const { app: first, attach } = await leveeOpener(service).create();
  apps.push(first);
  const second = await leveeOpener(service).load(await attach());
  apps.push(second);
  // Presence begins where it is asked for.
  const presences = new Map(apps.map((app) => [app, getPresence(app.container)]));
  const connected = (app: App) =>
    [...(presences.get(app)?.attendees.getAttendees() ?? [])].filter(
      (attendee) => attendee.getConnectionStatus() === "Connected",
    ).length;
  await until(() => apps.every((app) => connected(app) === 2), {
    what: "two attendees seen by both",
    timeoutMs: 10_000,
    seen: () => apps.map(connected),
  });
  second.container.dispose();
  await until(() => connected(first) === 1, { what: "the second one's leave" });
});
