// A service that goes away in the middle: what containers live through, and how soon they are back.

import { Service } from "levee-testkit/service";
import { pause, until } from "levee-testkit/wait";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { App } from "./support/app.ts";
import { Gate } from "./support/gate.ts";

let service: Service;
let gate: Gate;
const open: App[] = [];

beforeEach(async () => {
  service = await Service.start();
  gate = await Gate.before(service);
});
afterEach(async () => {
  for (const { container } of open.splice(0)) container.close();
  await gate.close();
  await service.stop();
});

async function opened(app: Promise<App>): Promise<App> {
  open.push(await app);
  return app;
}

/** Two containers of a document, both connected. */
async function pair(serialization: "json" | "msgpack"): Promise<[App, App]> {
  const first = await opened(App.create(service, { serialization }));
  const second = await opened(App.load(service, first.id, { serialization }));
  first.root.set("before", true);
  await second.sees("before", true);
  return [first, second];
}

describe.each(["json", "msgpack"] as const)("in %s", (serialization) => {
  test.each([
    ["at once", 0],
    ["after a second", 1000],
    ["after eight seconds", 8000],
  ])("killed and started again %s", async (when, downMs) => {
    const [first, second] = await pair(serialization);
    await service.kill();
    first.root.set("first", "while down");
    second.root.set("second", "while down");
    await pause(downMs);
    await service.resume();
    const upMs = performance.now();
    await Promise.all([first.sees("second", "while down"), second.sees("first", "while down")]);
    const backMs = Math.round(performance.now() - upMs);
    console.log(`reconnect after kill -9, started ${when}, ${serialization}: ${backMs} ms`);
    expect(first.container.closed || second.container.closed).toBe(false);
    await Promise.all([first.saved(), second.saved()]);
  });
});

test("stopped as a service manager does it", async () => {
  const [first, second] = await pair("json");
  expect(await service.terminate()).toBe(0);
  first.root.set("first", "while down");
  await service.resume();
  await second.sees("first", "while down");
  expect(first.container.closed || second.container.closed).toBe(false);
});

test("a container that is loaded while the service is down is there when it comes up", async () => {
  const [first] = await pair("json");
  await first.saved();
  await service.kill();
  const loading = opened(App.load(service, first.id));
  await pause(1500);
  await service.resume();
  const loaded = await loading;
  await loaded.sees("before", true);
});

test("an outage answered by a proxy in between is lived through, too", async () => {
  const first = await opened(App.create(gate));
  const second = await opened(App.load(gate, first.id));
  first.root.set("before", true);
  await second.sees("before", true);
  gate.instead = () => ({ status: 503, body: "<html>" });
  gate.cut();
  first.root.set("first", "while down");
  await pause(2000);
  const attempts = gate.take().length;
  gate.instead = () => undefined;
  await second.sees("first", "while down");
  expect(first.container.closed || second.container.closed).toBe(false);
  // Both tried, and neither without a pause.
  expect(attempts).toBeGreaterThan(2);
  expect(attempts).toBeLessThan(40);
});

test("a container that goes while the service is down stops trying", async () => {
  const first = await opened(App.create(gate));
  first.root.set("before", true);
  await first.saved();
  gate.instead = () => null;
  gate.cut();
  await until(() => gate.asked.length > 3, { what: "attempts" });
  first.container.dispose();
  await pause(500);
  gate.take();
  await pause(3000);
  expect(gate.take()).toEqual([]);
});

test("one that is only closed stops when its driver gives up, which is soon", async () => {
  const first = await opened(App.create(gate));
  first.root.set("before", true);
  await first.saved();
  gate.instead = () => null;
  gate.cut();
  await until(() => gate.asked.length > 3, { what: "attempts" });
  first.container.close();
  await pause(8500);
  gate.take();
  await pause(3000);
  expect(gate.take()).toEqual([]);
});
