// Tokens: what each fault does to an official client, and whose documents a token opens.

import { ConnectionState } from "fluid-framework";
import { Service, tenants } from "levee-testkit/service";
import { everywhere, needs } from "levee-testkit/target";
import { signToken, type TokenOptions, type TokenRequest } from "levee-testkit/tokens";
import { until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, describe, expect } from "vitest";
import { type App, azureRemoteOpener, saved } from "../src/app.ts";
import { type LoaderApp, LoaderKit } from "../src/loader.ts";
import { createDocument, ordererAuth, rest, storageAuth } from "../src/rest.ts";

let service: Service;
const open: { readonly container: { dispose(): void } }[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterEach(() => {
  for (const { container } of open.splice(0)) container.dispose();
});
afterAll(() => service.stop());

async function createRemote(): Promise<App> {
  const { app, attach } = await azureRemoteOpener(service).create();
  open.push(app);
  app.map.set("secret", "value");
  await attach();
  await saved(app);
  return app;
}

async function failureOf(work: Promise<unknown>): Promise<Record<string, unknown>> {
  return work.then(
    () => {
      throw new Error("it was allowed");
    },
    (reason: unknown) => reason as Record<string, unknown>,
  );
}

describe("azure-client remote", () => {
  needs("discovery", "auth")("an expired token is refreshed once, and then works", async () => {
    const { documentId } = await createRemote();
    const options = ({ refresh }: TokenRequest): TokenOptions =>
      refresh ? {} : { lifetimeSeconds: -60 };
    const opener = azureRemoteOpener(service, options);
    const app = await opener.load(documentId);
    open.push(app);
    expect(app.map.get("secret")).toBe("value");
    expect(opener.tokens.requests.some(({ refresh }) => refresh)).toBe(true);
  });

  needs("discovery", "auth")("a token that stays expired is a final error", async () => {
    const { documentId } = await createRemote();
    const opener = azureRemoteOpener(service, { lifetimeSeconds: -60 });
    const failure = await failureOf(opener.load(documentId));
    expect(failure).toMatchObject({ errorType: "authorizationError", canRetry: false });
    expect(opener.tokens.requests.filter(({ refresh }) => refresh).length).toBeGreaterThan(0);
  });

  needs("discovery", "auth")("a token signed by another is a final error", async () => {
    const { documentId } = await createRemote();
    const opener = azureRemoteOpener(service, { key: "another key" });
    expect(await failureOf(opener.load(documentId))).toMatchObject({
      errorType: "authorizationError",
      canRetry: false,
    });
  });

  needs("discovery", "auth")("a token for another document does not open this one", async () => {
    const { documentId } = await createRemote();
    const opener = azureRemoteOpener(service, { claims: { documentId: "another" } });
    expect(await failureOf(opener.load(documentId))).toMatchObject({ canRetry: false });
  });

  needs("discovery", "auth")("a token for another tenant does not open this one", async () => {
    const { documentId } = await createRemote();
    const opener = azureRemoteOpener(service, { claims: { tenantId: "tinylicious" } });
    expect(await failureOf(opener.load(documentId))).toMatchObject({ canRetry: false });
  });

  needs("discovery", "auth")(
    "when a token expires on an open session, the client comes back with a fresh one",
    async () => {
      const { documentId } = await createRemote();
      let isConnected = false;
      const opener = azureRemoteOpener(service, () => ({
        lifetimeSeconds: isConnected ? 3600 : 5,
      }));
      const app = await opener.load(documentId);
      open.push(app);
      await until(() => app.container.connectionState === ConnectionState.Connected, {
        what: "a connection by a token of five seconds",
      });
      isConnected = true;
      let disconnections = 0;
      let reconnections = 0;
      app.container.on("disconnected", () => {
        disconnections += 1;
      });
      app.container.on("connected", () => {
        if (disconnections > 0) reconnections += 1;
      });
      await until(() => reconnections > 0, { what: "a reconnection", timeoutMs: 20_000 });
      app.map.set("after", "expiry");
      await saved(app);
      expect(app.container.disposed).toBe(false);
    },
  );
});

needs("discovery")(
  "the app’s back end is told of a new document, with a token for it",
  async () => {
    const opener = azureRemoteOpener(service);
    const told: [documentId: string, token: string][] = [];
    opener.tokens.documentPostCreateCallback = async (documentId, token) => {
      told.push([documentId, token]);
    };
    const { app, attach } = await opener.create();
    open.push(app);
    const documentId = await attach();
    expect(told).toEqual([[documentId, expect.any(String)]]);
    const [, payload] = told[0]?.[1].split(".") ?? [];
    expect(JSON.parse(Buffer.from(payload ?? "", "base64url").toString())).toMatchObject({
      documentId,
      tenantId: tenants.fluid.id,
    });
  },
);

describe("loader", () => {
  everywhere("a reader by its token sees every edit and makes none", async () => {
    const tenant = tenants.tinylicious;
    const writer = await new LoaderKit(3, service, { tenant }).create();
    const reader: LoaderApp = await new LoaderKit(3, service, {
      tenant,
      scopes: ["doc:read"],
    }).load(writer.documentId);
    open.push(writer, reader);
    await until(() => reader.container.readOnlyInfo.readonly === true, { what: "a read-only one" });
    expect(reader.container.readOnlyInfo).toMatchObject({ readonly: true, permissions: true });
    writer.root.set("k", "v");
    await until(() => reader.root.get("k") === "v", { what: "the writer’s edit" });
  });
});

describe("REST", () => {
  const tenant = tenants.fluid;
  const blob = { content: "c2VjcmV0", encoding: "base64" };

  needs("auth")("without authorisation nothing is answered", async () => {
    const id = await createDocument(service, tenant);
    const paths = [
      `/deltas/${tenant.id}/${id}?from=0&to=10`,
      `/documents/${tenant.id}/session/${id}`,
      `/repos/${tenant.id}/commits?count=1&sha=${id}`,
      `/repos/${tenant.id}/git/summaries/latest`,
    ];
    // Each wire has its own number for it; on paths that both have, a request says no wire.
    for (const path of paths) {
      const answer = await rest(service, "GET", path);
      expect([401, 403], path).toContain(answer.status);
    }
    const create = await rest(service, "POST", `/documents/${tenant.id}`, { body: {} });
    expect([401, 403]).toContain(create.status);
  });

  needs("auth")("an expired token is 401, a token for another document 403", async () => {
    const id = await createDocument(service, tenant);
    const path = `/deltas/${tenant.id}/${id}?from=0&to=10`;
    const status = async (token: string) =>
      (await rest(service, "GET", path, { authorization: ordererAuth(token) })).status;
    expect(await status(signToken(tenant, id))).toBe(200);
    expect(await status(signToken(tenant, id, { lifetimeSeconds: -60 }))).toBe(401);
    expect(await status(signToken(tenant, id, { key: "another" }))).toBe(401);
    expect(await status(signToken(tenant, "another"))).toBe(403);
  });

  needs("auth")("objects, versions and refs of a document are its own", async () => {
    const mine = await createDocument(service, tenant);
    // Two empty documents made in one second are one and the same commit: theirs holds something.
    const theirs = await createDocument(service, tenant, {
      type: 1,
      tree: { ".metadata": { type: 2, content: '{"theirs":true}' } },
    });
    const as = (id: string) => ({ authorization: storageAuth(tenant, signToken(tenant, id)) });
    const stored = await rest(service, "POST", `/repos/${tenant.id}/git/blobs`, {
      ...as(theirs),
      body: blob,
    });
    expect(stored.status).toBe(201);
    const { sha } = stored.body as { sha: string };
    const read = (id: string) =>
      rest(service, "GET", `/repos/${tenant.id}/git/blobs/${sha}`, as(id));
    expect((await read(theirs)).body).toMatchObject(blob);
    expect([403, 404]).toContain((await read(mine)).status);

    const commits = (id: string, token: string) =>
      rest(service, "GET", `/repos/${tenant.id}/commits?count=1&sha=${id}`, as(token));
    const answer = await commits(theirs, theirs);
    expect(answer.status).toBe(200);
    const [commit] = answer.body as { sha: string; commit: { tree: { sha: string } } }[];
    if (commit === undefined) throw new Error("a new document has no version");
    expect([403, 404]).toContain((await commits(theirs, mine)).status);
    expect([403, 404]).toContain((await commits(commit.sha, mine)).status);
    const tree = `/repos/${tenant.id}/git/trees/${commit.commit.tree.sha}?recursive=1`;
    expect((await rest(service, "GET", tree, as(theirs))).status).toBe(200);
    expect([403, 404]).toContain((await rest(service, "GET", tree, as(mine))).status);
  });

  needs("auth")("a token without summary:write stores no object", async () => {
    const id = await createDocument(service, tenant);
    const token = signToken(tenant, id, { scopes: ["doc:read"] });
    const answer = await rest(service, "POST", `/repos/${tenant.id}/git/blobs`, {
      authorization: storageAuth(tenant, token),
      body: blob,
    });
    expect(answer.status).toBe(403);
  });
});
