// Documents: made, attached, opened, edited from both sides; who is in them.

import { SharedMap } from "fluid-framework/legacy";
import { Service, tenants } from "levee-testkit/service";
import { until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type App, converge, Item } from "../../e2e/src/app.ts";
import { readDeltas } from "../../e2e/src/rest.ts";
import { LeveeClient, type LeveeConnectionConfig } from "../src/index.ts";
import { FLUID_VERSION, leveeOpener, schema, serializations } from "./app.ts";

let service: Service;
const apps: App[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterEach(() => {
  for (const app of apps.splice(0)) app.container.dispose();
});
afterAll(() => service?.stop());

describe.each(serializations)("over %s", (serialization) => {
  test("a document is made, attached, opened, and edited from both sides", async () => {
    const { app: first, attach } = await leveeOpener(service, { serialization }).create();
    apps.push(first);
    first.map.set("before", "attach");
    first.text.insertText(0, "Grüße, 🌍");
    first.items.insertAtEnd(new Item({ id: "one", count: 1 }));
    const documentId = await attach();
    expect(documentId).toMatch(/^[0-9a-zA-Z-]{16,}$/);

    const second = await leveeOpener(service, { serialization }).load(documentId);
    apps.push(second);
    expect(second.state()).toEqual(first.state());
    first.map.set("first", { nested: [1, null, "x"] });
    second.map.set("second", true);
    second.text.insertText(second.text.getLength(), "!");
    const [item] = second.items;
    if (item === undefined) throw new Error("the item of the first is not at the second");
    item.count = 2;
    expect(await converge(apps)).toEqual({
      map: { before: "attach", first: { nested: [1, null, "x"] }, second: true },
      text: "Grüße, 🌍!",
      items: [{ id: "one", count: 2 }],
    });

    const late = await leveeOpener(service).load(documentId);
    apps.push(late);
    expect(await converge(apps)).toEqual(first.state());
    await expect(attach()).rejects.toThrow("not detached");
  });

  test("the audience lists every member with all connections, and tells who comes and goes", async () => {
    const ada = leveeOpener(service, { serialization });
    const { app: first, attach } = await ada.create();
    apps.push(first);
    const documentId = await attach();
    const { audience } = ada.servicesOf(first);
    const heard: string[] = [];
    let changes = 0;
    audience.on("memberAdded", (clientId, member) => heard.push(`+${member.name} ${clientId}`));
    audience.on("memberRemoved", (clientId, member) => heard.push(`-${member.name} ${clientId}`));
    audience.on("membersChanged", () => {
      changes += 1;
    });
    await until(() => audience.getMyself() !== undefined, { what: "the own membership" });
    expect(audience.getMyself()).toMatchObject(ada.user);

    const bob = leveeOpener(service, { serialization });
    const two = [await bob.load(documentId), await bob.load(documentId)];
    apps.push(...two);
    const connections = () => audience.getMembers().get(bob.user.id)?.connections ?? [];
    await until(() => connections().length === 2, { what: "both connections of one user" });
    expect(connections().map(({ mode }) => mode)).toEqual(["write", "write"]);
    expect([...audience.getMembers().keys()].sort()).toEqual([ada.user.id, bob.user.id].sort());
    const ids = connections().map(({ id }) => id);
    expect(heard).toEqual(expect.arrayContaining(ids.map((id) => `+${bob.user.name} ${id}`)));

    const [gone] = two;
    gone?.container.dispose();
    await until(() => connections().length === 1, { what: "one connection less" });
    const [stays] = connections();
    const left = ids.find((id) => id !== stays?.id);
    expect(heard).toContain(`-${bob.user.name} ${left}`);
    expect(changes).toBeGreaterThanOrEqual(3);
  });
});

test("a document over one serialisation is edited over the other", async () => {
  const { app: first, attach } = await leveeOpener(service, { serialization: "json" }).create();
  apps.push(first);
  const second = await leveeOpener(service, { serialization: "msgpack" }).load(await attach());
  apps.push(second);
  first.map.set("j", 2 ** 40);
  second.map.set("m", -(2 ** 40));
  second.text.insertText(0, "both");
  expect(await converge(apps)).toEqual({
    map: { j: 2 ** 40, m: -(2 ** 40) },
    text: "both",
    items: [],
  });
});

test.each(["1", "2", "1.4.0", "2.73.0"] as const)(
  "a document for Fluid %s and later",
  async (mode) => {
    const { client } = leveeOpener(service);
    const mapOnly = { initialObjects: { map: SharedMap } };
    const { container } = await client.createContainer(mapOnly, mode);
    container.initialObjects.map.set("x", 1);
    const documentId = await container.attach();
    const other = await client.getContainer(documentId, mapOnly, mode);
    expect(other.container.initialObjects.map.get("x")).toBe(1);
    container.dispose();
    other.container.dispose();
  },
);

test("this run is of the Fluid version that it says", async () => {
  const { app, attach } = await leveeOpener(service).create();
  apps.push(app);
  const documentId = await attach();
  const joins = async () => {
    const ops = await readDeltas(service, tenants.fluid, documentId);
    return ops.filter(({ type }) => type === "join");
  };
  await until(async () => (await joins()).length > 0, { what: "the join of the client" });
  const [join] = await joins();
  expect(JSON.stringify(join)).toContain(`loaderVersion:${process.env.FLUID}`);
});

test("a document that does not exist cannot be opened, listed or copied", async () => {
  const { client } = leveeOpener(service);
  const id = "no-such-document";
  const gone = {
    errorType: "fileNotFoundOrAccessDeniedError",
    statusCode: 404,
    canRetry: false,
  };
  await expect(client.getContainer(id, schema, FLUID_VERSION)).rejects.toMatchObject(gone);
  await expect(client.getContainerVersions(id)).rejects.toMatchObject(gone);
  await expect(client.copyContainer(id, schema, FLUID_VERSION)).rejects.toMatchObject(gone);
});

test("a wrong key is an error of attach", async () => {
  const { app, attach } = await leveeOpener(service, { tenantKey: "wrong" }).create();
  apps.push(app);
  await expect(attach()).rejects.toMatchObject({
    errorType: "authorizationError",
    canRetry: false,
  });
});

test.each<[string, Partial<LeveeConnectionConfig>, RegExp]>([
  ["neither a user nor an authToken", { tenantKey: "k" }, /needs a user/],
  ["a tenantKey without a user", { tenantKey: "k", authToken: "t" }, /it needs one/],
  ["no source of tokens", { user: { id: "u", name: "U" } }, /a tokenProvider, a tenantKey or/],
])("a client is not made with %s", (_name, connection, message) => {
  const make = () => new LeveeClient({ connection: { httpUrl: service.url, ...connection } });
  expect(make).toThrow(TypeError);
  expect(make).toThrow(message);
});
