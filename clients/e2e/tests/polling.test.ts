// Engine.IO long polling: a client whose WebSocket is blocked gets a fast answer, and recovers.

import { BlockingProxy } from "levee-testkit/proxy";
import { Service, tenants } from "levee-testkit/service";
import { everywhere, needs } from "levee-testkit/target";
import { until, within } from "levee-testkit/wait";
import { io } from "socket.io-client";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { LoaderKit, majors } from "../src/loader.ts";
import { rest } from "../src/rest.ts";

let service: Service;
beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());

needs("pollingRefusal")("a polling handshake is refused with Engine.IO’s own error", async () => {
  for (const method of ["GET", "POST"]) {
    const answer = await rest(service, method, "/socket.io/?EIO=4&transport=polling");
    expect(answer.status).toBe(400);
    expect(answer.headers.get("content-type")).toContain("application/json");
    expect(answer.body).toEqual({ code: 0, message: "Transport unknown" });
  }
});

needs("pollingRefusal")("a client that insists on polling learns it at once", async () => {
  const socket = io(service.url, { transports: ["polling"], reconnection: false });
  const refused = new Promise<Error>((resolve) => socket.once("connect_error", resolve));
  const error = await within(refused, { what: "the refusal", timeoutMs: 3000 });
  expect(error.message).toContain("xhr poll error");
  expect(socket.connected).toBe(false);
  socket.close();
});

everywhere("an unknown session id is refused", async () => {
  const answer = await rest(service, "GET", "/socket.io/?EIO=4&transport=polling&sid=unknown");
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ code: expect.any(Number), message: expect.any(String) });
});

describe.each(majors)("driver %i.x", (major) => {
  everywhere("recovers after its WebSocket was blocked", async () => {
    const tenant = tenants.tinylicious;
    const writer = await new LoaderKit(major, service, { tenant }).create();
    writer.root.set("k", 1);
    const proxy = await BlockingProxy.before(service, 1);
    const blocked = await new LoaderKit(major, proxy, { tenant }).load(writer.documentId);
    blocked.root.set("from behind", "the proxy");
    await until(() => writer.root.get("from behind") === "the proxy", {
      what: "an edit by the client whose WebSocket was blocked",
      timeoutMs: 30_000,
      seen: () => proxy.requests,
    });
    expect(proxy.refusals).toBe(0);
    expect(proxy.requests.some((line) => line.includes("transport=polling"))).toBe(true);
    blocked.container.dispose();
    writer.container.dispose();
    await proxy.close();
  });
});
