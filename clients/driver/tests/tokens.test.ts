// Where tokens come from.

import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { ITokenProvider } from "@fluidframework/routerlicious-driver";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  InsecureLeveeTokenProvider,
  type LeveeTokenClaims,
  RemoteLeveeTokenProvider,
  type TokenProvider,
} from "../src/index.ts";

test("Fluid's providers work here, and ours with Fluid's driver", () => {
  const ours = {} as TokenProvider;
  const theirs: ITokenProvider = ours;
  const back: TokenProvider = theirs;
  expect(back).toBe(ours);
});

describe("InsecureLeveeTokenProvider", () => {
  const user = { id: "u", name: "Ü", additionalDetails: { a_b: 1 } };

  function read(jwt: string): LeveeTokenClaims {
    const [header, claims, signature] = jwt.split(".");
    const hmac = createHmac("sha256", "key").update(`${header}.${claims}`).digest("base64url");
    expect(signature).toBe(hmac);
    expect(Buffer.from(header ?? "", "base64url").toString()).toBe('{"alg":"HS256"}');
    return JSON.parse(Buffer.from(claims ?? "", "base64url").toString());
  }

  test("signs what the service wants to know", async () => {
    const provider = new InsecureLeveeTokenProvider("key", user, "home");
    const before = Math.floor(Date.now() / 1000);
    const claims = read((await provider.fetchStorageToken("t", "d")).jwt);
    expect(claims).toEqual({
      documentId: "d",
      tenantId: "t",
      scopes: ["doc:read", "doc:write", "summary:write"],
      user,
      ver: "1.0",
      jti: expect.stringMatching(/^[0-9a-f]{32}$/),
      iat: expect.any(Number),
      exp: claims.iat + 3600,
    });
    expect(claims.iat).toBeGreaterThanOrEqual(before);
    expect(provider.currentUser).toBe(user);
    expect(read((await provider.fetchOrdererToken("")).jwt)).toMatchObject({
      documentId: "",
      tenantId: "home",
    });
  });

  test("keeps a token until it is refused or nearly expired", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const provider = new InsecureLeveeTokenProvider("key", user);
    const token = async (refresh?: boolean) =>
      (await provider.fetchStorageToken("t", "d", refresh)).jwt;
    const first = await token();
    expect(await token()).toBe(first);
    const second = await token(true);
    expect(second).not.toBe(first);
    vi.advanceTimersByTime(3_530_000);
    expect(await token()).toBe(second);
    vi.advanceTimersByTime(20_000);
    expect(await token()).not.toBe(second);
    expect((await provider.fetchStorageToken("t", "other")).fromCache).toBe(false);
    vi.useRealTimers();
  });
});

describe("RemoteLeveeTokenProvider", () => {
  let server: Server;
  let endpoint: string;
  let answer: { status: number; body: unknown };
  const asked: { body: unknown; authorization: string | undefined }[] = [];

  beforeEach(async () => {
    asked.length = 0;
    answer = { status: 200, body: { jwt: "j", expiresIn: 3600, user: { id: "who" } } };
    server = createServer((incoming, outgoing) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk) => chunks.push(chunk));
      incoming.on("end", () => {
        const body = JSON.parse(Buffer.concat(chunks).toString());
        asked.push({ body, authorization: incoming.headers.authorization });
        outgoing.writeHead(answer.status, { "content-type": "application/json" });
        outgoing.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mint`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });

  test("asks for what the driver needs, once", async () => {
    const provider = new RemoteLeveeTokenProvider(endpoint, { id: "u" }, "session");
    const together = await Promise.all([
      provider.fetchOrdererToken("t", "d"),
      provider.fetchOrdererToken("t", "d"),
    ]);
    expect(together.map(({ jwt }) => jwt)).toEqual(["j", "j"]);
    expect(await provider.fetchOrdererToken("t", "d")).toEqual({ jwt: "j", fromCache: true });
    await provider.fetchStorageToken("t", "d");
    expect(asked).toEqual(
      ["orderer", "storage"].map((scope) => ({
        body: { tenantId: "t", documentId: "d", scope, user: { id: "u" } },
        authorization: "Bearer session",
      })),
    );
    await provider.fetchStorageToken("t", "d", true);
    expect(asked).toHaveLength(3);
  });

  test("gives up a token a minute before its end", async () => {
    const provider = new RemoteLeveeTokenProvider(endpoint);
    answer.body = { jwt: "j", expiresIn: 59 };
    await provider.fetchStorageToken("t", "d");
    await provider.fetchStorageToken("t", "d");
    expect(asked).toHaveLength(2);
    answer.body = { jwt: "j" };
    await provider.fetchStorageToken("t", "d");
    await provider.fetchStorageToken("t", "d");
    expect(asked).toHaveLength(3);
  });

  test("learns who the user is", async () => {
    const provider = new RemoteLeveeTokenProvider(endpoint, undefined, "session");
    expect(provider.currentUser).toBeUndefined();
    expect(await provider.resolveUser("t")).toEqual({ id: "who" });
    expect(provider.resolvedUser).toEqual({ id: "who" });
    expect(provider.currentUser).toEqual({ id: "who" });
    expect(asked[0]?.body).toEqual({ tenantId: "t", documentId: "", scope: "storage" });
  });

  test.each([
    [401, false],
    [403, false],
    [429, true],
    [503, true],
  ])("an endpoint that answers %i", async (status, canRetry) => {
    answer.status = status;
    const provider = new RemoteLeveeTokenProvider(endpoint);
    await expect(provider.fetchStorageToken("t", "d")).rejects.toMatchObject({
      errorType: "fetchTokenError",
      message: expect.stringContaining(`Failed to fetch token: ${status}`),
      canRetry,
    });
    answer.status = 200;
    expect((await provider.fetchStorageToken("t", "d")).jwt).toBe("j");
  });

  test.each([["no JSON"], [{ token: "j" }], [null]])(
    "an endpoint that answers %j",
    async (body) => {
      answer.body = body;
      const provider = new RemoteLeveeTokenProvider(endpoint);
      await expect(provider.fetchStorageToken("t", "d")).rejects.toMatchObject({
        errorType: "fetchTokenError",
        canRetry: false,
      });
    },
  );

  test("an endpoint that cannot be reached may be later", async () => {
    const provider = new RemoteLeveeTokenProvider("http://127.0.0.1:9/");
    await expect(provider.fetchStorageToken("t", "d")).rejects.toMatchObject({ canRetry: true });
  });
});
