// Catching up from storage, at every boundary, against services of either reading of `from`.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { ISequencedDocumentMessage, IStream } from "@fluidframework/driver-definitions/legacy";
import { until } from "levee-testkit/wait";
import { afterEach, describe, expect, test } from "vitest";
import { LeveeDeltaStorageService, LeveeError, RestWrapper } from "../src/index.ts";

const PAGE = 2000;

/** Which operations a service answers for two bounds, of those from 1 to `head`. */
type Rule = (head: number, from: number, to: number) => number[];

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, at) => first + at);
}

const rules: Record<string, Rule> = {
  /** Ours: the operation at the bound comes along, except alone (`levee-wire.md` 3.7 b). */
  inclusive(head, from, to) {
    const first = Math.max(from, 1);
    const found = range(first, Math.min(to, head, first + PAGE - 1));
    return found.at(-1) === from ? [] : found;
  },
  /** The original's. */
  exclusive: (head, from, to) => range(Math.max(from + 1, 1), Math.min(to, head, from + PAGE)),
};

type Answer = { readonly status: number; readonly body: unknown } | "cut" | "silence";

class DeltaServer {
  readonly asked: string[] = [];
  readonly tokens: string[] = [];
  head = 0;
  /** Answers that come before those of the rule. */
  readonly first: Answer[] = [];
  readonly deltas: LeveeDeltaStorageService;
  readonly #server: Server;

  static async start(rule: Rule): Promise<DeltaServer> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new DeltaServer(server, rule);
  }

  private constructor(server: Server, rule: Rule) {
    this.#server = server;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    let tokens = 0;
    const fetchStorageToken = async () => ({ jwt: `token ${++tokens}` });
    const provider = { fetchStorageToken, fetchOrdererToken: fetchStorageToken };
    this.deltas = new LeveeDeltaStorageService(
      new RestWrapper(url, provider, "t", "d"),
      "/deltas/t/d",
      2000,
    );
    server.on("request", (incoming, outgoing) => {
      const { pathname, search, searchParams } = new URL(incoming.url ?? "", url);
      this.asked.push(`${pathname}${search}`);
      this.tokens.push(incoming.headers.authorization ?? "");
      const bound = (name: string, other: number) => Number(searchParams.get(name) ?? other);
      const ops = rule(this.head, bound("from", -1), bound("to", Number.MAX_SAFE_INTEGER));
      const value = ops.map((sequenceNumber) => ({ sequenceNumber, contents: '{"a_b":1}' }));
      const answer = this.first.shift() ?? { status: 200, body: { value } };
      if (answer === "silence") return;
      if (answer === "cut") {
        outgoing.destroy();
        return;
      }
      outgoing.writeHead(answer.status, { "content-type": "application/json" });
      outgoing.end(JSON.stringify(answer.body));
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

async function numbers(stream: IStream<ISequencedDocumentMessage[]>): Promise<number[][]> {
  const pages: number[][] = [];
  for (;;) {
    const result = await stream.read();
    if (result.done) return pages;
    pages.push(result.value.map(({ sequenceNumber }) => sequenceNumber));
  }
}

let server: DeltaServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(head: number, rule = "inclusive"): Promise<DeltaServer> {
  server = await DeltaServer.start(rules[rule] as Rule);
  server.head = head;
  return server;
}

describe.each(Object.keys(rules))("a service whose lower bound is %s", (rule) => {
  test.each([
    // head, from, to, first and last expected
    [0, 1, undefined, []],
    [1, 1, undefined, [1, 1]],
    [1, 0, undefined, [1, 1]],
    [1, -5, undefined, [1, 1]],
    [1, 2, undefined, []],
    [5, 5, undefined, [5, 5]],
    [5, 6, undefined, []],
    [5, 99, undefined, []],
    [5, 1, 2, [1, 1]],
    [5, 3, 4, [3, 3]],
    [5, 3, 6, [3, 5]],
    [5, 3, 3, []],
    [5, 4, 3, []],
    [5, 0, 1, []],
    [PAGE - 1, 1, undefined, [1, PAGE - 1]],
    [PAGE, 1, undefined, [1, PAGE]],
    [PAGE + 1, 1, undefined, [1, PAGE + 1]],
    [2 * PAGE, 1, undefined, [1, 2 * PAGE]],
    [2 * PAGE + 1, 1, 2 * PAGE + 2, [1, 2 * PAGE + 1]],
    [2 * PAGE, 1, PAGE + 1, [1, PAGE]],
    [2 * PAGE, 1, PAGE + 2, [1, PAGE + 1]],
    [3 * PAGE, PAGE, 2 * PAGE + 1, [PAGE, 2 * PAGE]],
    [PAGE + 7, 7, PAGE + 7, [7, PAGE + 6]],
    [4500, 1, undefined, [1, 4500]],
    [4500, 4400, undefined, [4400, 4500]],
  ])("of %i operations, those from %i to %s", async (head, from, to, bounds) => {
    const { deltas } = await start(head, rule);
    const [first, last] = bounds;
    const expected = first === undefined || last === undefined ? [] : range(first, last);
    const pages = await numbers(deltas.fetchMessages(from, to));
    expect(pages.flat()).toEqual(expected);
    expect(pages.every((page) => page.length > 0)).toBe(true);
  });
});

test("pages are asked for one by one, as they are read", async () => {
  const { deltas, asked } = await start(4500);
  const stream = deltas.fetchMessages(1, 4501);
  expect(asked).toEqual([]);
  await stream.read();
  expect(asked).toEqual(["/deltas/t/d?from=0&to=2000"]);
  await numbers(stream);
  expect(asked.slice(1)).toEqual([
    "/deltas/t/d?from=2000&to=4000",
    "/deltas/t/d?from=3999&to=4500",
  ]);
  expect(await stream.read()).toEqual({ done: true });
});

test("contents are what they were", async () => {
  const { deltas } = await start(1);
  const result = await deltas.fetchMessages(1, 2).read();
  expect(result).toMatchObject({ done: false, value: [{ contents: '{"a_b":1}' }] });
});

test("nothing is cached", async () => {
  const { deltas, asked } = await start(5);
  expect(await numbers(deltas.fetchMessages(1, undefined, undefined, true))).toEqual([]);
  expect(asked).toEqual([]);
});

describe("faults", () => {
  test("what passes is waited out", async () => {
    const { deltas, first, asked } = await start(3);
    first.push(
      "cut",
      { status: 503, body: { error: "busy", canRetry: true, retryAfter: 10 } },
      { status: 429, body: { retryAfter: 10 } },
    );
    expect(await numbers(deltas.fetchMessages(1, 4))).toEqual([[1, 2, 3]]);
    expect(asked).toHaveLength(4);
  });

  test("a delay that the service names is kept", async () => {
    const { deltas, first } = await start(3);
    first.push({ status: 429, body: { retryAfter: 1500 } });
    const before = performance.now();
    await numbers(deltas.fetchMessages(1, 4));
    expect(performance.now() - before).toBeGreaterThan(1400);
  });

  test.each([
    [400, "genericNetworkError"],
    [404, "fileNotFoundOrAccessDeniedError"],
    [500, "genericNetworkError"],
  ])("status %i is told at once", async (status, errorType) => {
    const { deltas, first, asked } = await start(3);
    first.push({ status, body: {} });
    const stream = deltas.fetchMessages(1, undefined);
    await expect(stream.read()).rejects.toMatchObject({ errorType, canRetry: false });
    expect(asked).toHaveLength(1);
    expect(await stream.read()).toEqual({ done: true });
  });

  test("a refused token is renewed once", async () => {
    const { deltas, first, tokens } = await start(3);
    first.push({ status: 401, body: {} });
    expect(await numbers(deltas.fetchMessages(1, 4))).toEqual([[1, 2, 3]]);
    expect(tokens).toEqual(["Bearer token 1", "Bearer token 2"]);
    first.push({ status: 403, body: {} }, { status: 403, body: {} });
    await expect(deltas.fetchMessages(1, 4).read()).rejects.toMatchObject({
      errorType: "authorizationError",
      canRetry: false,
    });
  });

  test("operations that are not there yet are waited for, if they were asked for", async () => {
    const started = await start(2);
    setTimeout(() => {
      started.head = 4;
    }, 300);
    expect(await numbers(started.deltas.fetchMessages(1, 5))).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test("operations that never come are told", async () => {
    const { deltas } = await start(2);
    const stream = deltas.fetchMessages(1, 5);
    expect(await stream.read()).toMatchObject({ done: false });
    await expect(stream.read()).rejects.toMatchObject({
      message: "the service has no operation 3, although 4 was asked for",
      canRetry: false,
    });
  });

  test.each([
    ["a hole", { value: [{ sequenceNumber: 1 }, { sequenceNumber: 3 }] }],
    ["a hole at the start", { value: [{ sequenceNumber: 2 }] }],
    ["no list", { other: [] }],
    ["nothing", null],
  ])("%s in the answer is told", async (_what, body) => {
    const { deltas, first } = await start(3);
    first.push({ status: 200, body });
    const read = deltas.fetchMessages(1, undefined).read();
    await expect(read).rejects.toBeInstanceOf(LeveeError);
    await expect(read).rejects.toMatchObject({
      errorType: "incorrectServerResponse",
      canRetry: false,
    });
  });
});

describe("aborting", () => {
  test("before anything is asked", async () => {
    const { deltas, asked } = await start(3);
    expect(await numbers(deltas.fetchMessages(1, undefined, AbortSignal.abort()))).toEqual([]);
    expect(asked).toEqual([]);
  });

  test("while an answer is awaited", async () => {
    const { deltas, first, asked } = await start(3);
    first.push("silence");
    const controller = new AbortController();
    const read = deltas.fetchMessages(1, undefined, controller.signal).read();
    await until(() => asked.length === 1, { what: "the request" });
    controller.abort();
    expect(await read).toEqual({ done: true });
  });

  test("while a fault is waited out", async () => {
    const { deltas, first, asked } = await start(3);
    first.push({ status: 429, body: { retryAfter: 3_600_000 } });
    const controller = new AbortController();
    const read = deltas.fetchMessages(1, undefined, controller.signal).read();
    await until(() => asked.length === 1, { what: "the request" });
    controller.abort();
    expect(await read).toEqual({ done: true });
  });

  test("between two pages", async () => {
    const { deltas, asked } = await start(4500);
    const controller = new AbortController();
    const stream = deltas.fetchMessages(1, undefined, controller.signal);
    expect(await stream.read()).toMatchObject({ done: false });
    controller.abort();
    expect(await stream.read()).toEqual({ done: true });
    expect(asked).toHaveLength(1);
  });
});
