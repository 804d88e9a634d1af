// Whole containers on the real service.

import { Service, tenants } from "levee-testkit/service";
import { pause } from "levee-testkit/wait";
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

test("a document is created in the tenant that was asked for", async () => {
  const tenant = tenants.tinylicious;
  const first = await opened(App.create(service, { tenant }));
  expect(first.container.resolvedUrl?.url).toContain(`/${tenant.id}/${first.id}`);
  first.root.set("here", true);
  await first.saved();
  const second = await opened(App.load(service, first.id, { tenant }));
  await second.sees("here", true);
});
