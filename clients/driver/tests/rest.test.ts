// Requests, and what is logged of them.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isDebugEnabled, LeveeDebugLogger, RestWrapper } from "../src/index.ts";

let server: Server;
let url: string;
let answer: { status: number; body: string } | "silence";
const asked: string[] = [];

beforeEach(async () => {
  asked.length = 0;
  answer = { status: 200, body: '{"a_b":1}' };
  server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk) => chunks.push(chunk));
    incoming.on("end", () => {
      const { method, url: path, headers } = incoming;
      const type = headers["content-type"] ?? "no type";
      asked.push(`${method} ${path} ${headers.authorization} ${type} ${Buffer.concat(chunks)}`);
      if (answer === "silence") return;
      outgoing.writeHead(answer.status).end(answer.body);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

function rest(debug?: boolean): RestWrapper {
  const token = async () => ({ jwt: "secret" });
  const tokens = { fetchOrdererToken: token, fetchStorageToken: token };
  return new RestWrapper(`${url}/`, tokens, "t", "d", 5000, debug);
}

test("every method carries the token, and a body where it has one", async () => {
  expect(await rest().get("/x")).toEqual({ a_b: 1 });
  await rest().post("/x", { c_d: 2 });
  await rest().patch(`${url}/absolute`, [1]);
  await rest().delete("/x", { headers: { "content-type": "own" } });
  expect(asked).toEqual([
    "GET /x Bearer secret no type ",
    'POST /x Bearer secret application/json {"c_d":2}',
    "PATCH /absolute Bearer secret application/json [1]",
    "DELETE /x Bearer secret own ",
  ]);
});

describe("answers", () => {
  test("an empty one is undefined", async () => {
    answer = { status: 204, body: "" };
    expect(await rest().get("/x")).toBeUndefined();
  });

  test("one that is no JSON is an error", async () => {
    answer = { status: 200, body: "<html>" };
    await expect(rest().get("/x")).rejects.toMatchObject({
      errorType: "incorrectServerResponse",
      canRetry: false,
    });
  });

  test("one that does not come in time is a 408", async () => {
    answer = "silence";
    await expect(rest().get("/x", { timeout: 100 })).rejects.toMatchObject({
      statusCode: 408,
      canRetry: true,
    });
  });

  test("one that is not waited for is no answer", async () => {
    answer = "silence";
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    await expect(rest().get("/x", { signal: controller.signal })).rejects.toMatchObject({
      statusCode: 0,
    });
  });

  test("a refusal says what the service said, at most the start of it", async () => {
    answer = { status: 400, body: "why ".repeat(1000) };
    await expect(rest().get("/x")).rejects.toSatisfy(({ message }: Error) => {
      return message.startsWith("HTTP 400: Bad Request - why why") && message.length < 600;
    });
  });
});

describe("the log", () => {
  test("is off unless it is asked for", async () => {
    const log = vi.spyOn(console, "debug").mockReturnValue();
    await rest().get("/x");
    new LeveeDebugLogger("test", false).log("no");
    expect(log).not.toHaveBeenCalled();
    expect(isDebugEnabled()).toBe(false);
    vi.stubEnv("LEVEE_DEBUG", "1");
    expect(isDebugEnabled()).toBe(true);
    expect(isDebugEnabled(false)).toBe(false);
    vi.unstubAllEnvs();
  });

  test("tells what was asked, and neither tokens nor contents", async () => {
    const log = vi.spyOn(console, "debug").mockReturnValue();
    await rest(true).post("/x", { private: "text" });
    const lines = log.mock.calls.map((call) => call.join(" ")).join("\n");
    expect(lines).toContain(`→ POST ${url}/x (18 characters)`);
    expect(lines).toContain(`← 200 POST ${url}/x (9 characters)`);
    expect(lines).not.toMatch(/secret|private|text/);
  });
});
