// Whole containers on the real service.

import { Service, tenants } from "levee-testkit/service";
import { pause, until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { App } from "./support/app.ts";

let service: Service;
const open: App[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());
afterEach(() => {
  for (const { container } of open.splice(0)) container.close();
});

async function opened(app: Promise<App>): Promise<App> {
  open.push(await app);
  return app;
}

describe.each(["json", "msgpack"] as const)("in %s", (serialization) => {
  test("two containers see each other's edits", async () => {
    const first = await opened(App.create(service, { serialization }));
    first.root.set("a", 1);
    await first.saved();
    const second = await opened(App.load(service, first.id, { serialization }));
    await second.sees("a", 1);
    second.root.set("b", "two");
    await first.sees("b", "two");
  });

  test("a container survives the service killed and started again", async () => {
    const first = await opened(App.create(service, { serialization }));
    const second = await opened(App.load(service, first.id, { serialization }));
    first.root.set("before", true);
    await second.sees("before", true);
    await service.kill();
    first.root.set("while away", true);
    await pause(1000);
    await service.resume();
    await second.sees("while away", true);
    expect(first.container.closed || second.container.closed).toBe(false);
  });
});

test("clients of both serialisations share a document", async () => {
  const json = await opened(App.create(service, { serialization: "json" }));
  const msgpack = await opened(App.load(service, json.id, { serialization: "msgpack" }));
  const value = { snake_case: [1, -1.5, 2 ** 40, "ü\u0000"], nested: { a_b: null } };
  json.root.set("from json", value);
  msgpack.root.set("from msgpack", value);
  await until(() => json.root.has("from msgpack") && msgpack.root.has("from json"), {
    what: "both edits",
  });
  expect(json.root.get("from msgpack")).toEqual(value);
  expect(msgpack.root.get("from json")).toEqual(value);
});

test("a document is created in the tenant that was asked for", async () => {
  const tenant = tenants.tinylicious;
  const first = await opened(App.create(service, { tenant }));
  expect(first.container.resolvedUrl?.url).toContain(`/${tenant.id}/${first.id}`);
  first.root.set("here", true);
  await first.saved();
  const second = await opened(App.load(service, first.id, { tenant }));
  await second.sees("here", true);
});
