import { describe, expect, test } from "vitest";
import { deriveSocketUrl, LeveeUrlResolver } from "../src/index.ts";

const resolver = new LeveeUrlResolver(undefined, "http://h:4000/", "home");

test.each([
  ["http://x", "ws://x/socket"],
  ["http://x:4000/", "ws://x:4000/socket"],
  ["https://x", "wss://x/socket"],
  ["x:4000", "ws://x:4000/socket"],
])("the socket of %s is %s", (httpUrl, socketUrl) => {
  expect(deriveSocketUrl(httpUrl)).toBe(socketUrl);
});

test.each([
  [undefined, "ws://h/socket"],
  ["wss://s", "wss://s/socket"],
  ["wss://s/socket", "wss://s/socket"],
  ["wss://s/socket/", "wss://s/socket"],
])("a socket given as %s is %s", async (socketUrl, expected) => {
  const resolved = await new LeveeUrlResolver(socketUrl, "http://h").resolve({ url: "d" });
  expect(resolved?.socketUrl).toBe(expected);
});

test.each([
  ["levee://any/t/d", "t", "d"],
  ["phoenix://any:99/t/d", "t", "d"],
  ["http://any/t/d", "t", "d"],
  ["https://any/t/d?query=1#hash", "t", "d"],
  ["levee://any/d", "home", "d"],
  ["https://any/d/", "home", "d"],
  ["d", "home", "d"],
  ["/d", "home", "d"],
  ["t/d", "t", "d"],
  ["t/d/_summarizer/x", "t", "d"],
  ["t/a%20b%2Fc", "t", "a b/c"],
  ["t/50%", "t", "50%"],
])("%s is tenant %s, document %s", async (url, tenantId, documentId) => {
  const resolved = await resolver.resolve({ url });
  const [tenant, document] = [tenantId, documentId].map(encodeURIComponent);
  expect(resolved).toEqual({
    type: "fluid",
    id: documentId,
    url: `http://h:4000/${tenant}/${document}`,
    tenantId,
    documentId,
    socketUrl: "ws://h:4000/socket",
    httpUrl: "http://h:4000",
    endpoints: {
      deltaStorageUrl: `/deltas/${tenant}/${document}`,
      storageUrl: `http://h:4000/repos/${tenant}`,
    },
    tokens: {},
  });
});

test("a request without a document leads nowhere", async () => {
  expect(await resolver.resolve({ url: "" })).toBeUndefined();
  expect(await resolver.resolve({ url: "http://h:4000/" })).toBeUndefined();
});

describe("requests that it makes are resolved to what they were made for", () => {
  test.each([undefined, "other", "with space"])("a new document in tenant %s", async (tenant) => {
    const request = resolver.createCreateNewRequest(tenant);
    expect(await resolver.resolve(request)).toMatchObject({ tenantId: tenant ?? "home" });
  });

  test.each(["d", "a b", "a/b", "50%", "ü", "a:b"])("the document %s", async (documentId) => {
    const request = resolver.createRequestForDocument(documentId, "t");
    expect(await resolver.resolve(request)).toMatchObject({ documentId, tenantId: "t" });
  });

  test("an absolute URL of something inside a document", async () => {
    const resolved = await resolver.resolve(resolver.createRequestForDocument("a/b", "t"));
    if (resolved === undefined) throw new Error("not resolved");
    for (const relative of ["", "/", "x/y", "/x/y"]) {
      const url = await resolver.getAbsoluteUrl(resolved, relative);
      expect(await resolver.resolve({ url })).toEqual(resolved);
      expect(url.startsWith(resolved.url)).toBe(true);
    }
    expect(await resolver.getAbsoluteUrl(resolved, "/x")).toBe("http://h:4000/t/a%2Fb/x");
  });
});

test("addresses of other resolvers are refused", async () => {
  const foreign = { type: "fluid" as const, id: "", url: "u", tokens: {}, endpoints: {} };
  await expect(resolver.getAbsoluteUrl(foreign, "")).rejects.toThrow(TypeError);
});
