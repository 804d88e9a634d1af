// The three sources of tokens.

import { Service, tenants } from "levee-testkit/service";
import { SigningTokenProvider, type User } from "levee-testkit/tokens";
import { until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { LeveeClient } from "../src/index.ts";
import { FLUID_VERSION, leveeOpener, schema } from "./app.ts";
import { Mint } from "./mint.ts";

const tenant = tenants.fluid;
const ada: User = { id: "ada", name: "Ada Lovelace" };
let service: Service;
const apps: { container: { dispose(): void } }[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterEach(() => {
  for (const app of apps.splice(0)) app.container.dispose();
});
afterAll(() => service?.stop());

describe("an authToken", () => {
  let mint: Mint;
  beforeAll(async () => {
    mint = await Mint.before(service, tenant, new Map([["session of ada", ada]]));
  });
  afterEach(() => {
    mint.requests.length = 0;
  });
  afterAll(() => mint.close());

  const connection = (authToken: string) => ({
    httpUrl: mint.url,
    socketUrl: service.socketUrl,
    authToken,
  });

  const makers = [
    ["create", (token: string) => LeveeClient.create({ connection: connection(token) })],
    [
      "the constructor",
      async (token: string) => new LeveeClient({ connection: connection(token) }),
    ],
  ] as const;

  test.each(makers)(
    "is exchanged for document tokens, by a client from %s",
    async (_name, make) => {
      const client = await make("session of ada");
      const { container, services } = await client.createContainer(schema, FLUID_VERSION);
      apps.push({ container });
      container.initialObjects.map.set("by", "ada");
      const documentId = await container.attach();
      await until(() => services.audience.getMyself() !== undefined, {
        what: "the own membership",
      });
      expect(services.audience.getMyself()).toMatchObject(ada);
      const documents = new Set(mint.requests.map((request) => request.documentId));
      expect(documents).toContain("");
      expect(documents).toContain(documentId);

      const asked = mint.requests.length;
      const again = await client.getContainer(documentId, schema, FLUID_VERSION);
      apps.push(again);
      expect(again.container.initialObjects.map.get("by")).toBe("ada");
      // Tokens are kept until shortly before they end.
      expect(mint.requests.length).toBeLessThanOrEqual(asked + 1);

      const { client: others } = leveeOpener(service);
      const other = await others.getContainer(documentId, schema, FLUID_VERSION);
      apps.push(other);
      const member = () => other.services.audience.getMembers().get(ada.id);
      await until(() => member() !== undefined, { what: "ada at somebody else" });
      expect(member()?.name).toBe(ada.name);
    },
  );

  test.each(makers)("that the service does not know is refused, in %s", async (_name, make) => {
    const open = async () => {
      const client = await make("somebody else's");
      await client.createContainer(schema, FLUID_VERSION);
    };
    await expect(open()).rejects.toThrow(/401/);
    mint.sessions.set("somebody else's", { id: "new", name: "New" });
    await open();
    mint.sessions.delete("somebody else's");
  });
});

test("an app's own token provider is asked, and goes before the other sources", async () => {
  const user = { id: "bob", name: "Bob" };
  const tokenProvider = new SigningTokenProvider(tenant, { user });
  const client = await LeveeClient.create({
    connection: {
      httpUrl: `${service.url}/`,
      tokenProvider,
      tenantKey: "wrong",
      authToken: "wrong",
      user,
    },
  });
  const { container, services } = await client.createContainer(schema, FLUID_VERSION);
  apps.push({ container });
  const documentId = await container.attach();
  await until(() => services.audience.getMyself() !== undefined, { what: "the own membership" });
  expect(services.audience.getMyself()).toMatchObject(user);
  const kinds = new Set(tokenProvider.requests.map(({ kind }) => kind));
  expect(kinds).toEqual(new Set(["orderer", "storage"]));

  const other = await leveeOpener(service).client.getContainer(documentId, schema, FLUID_VERSION);
  apps.push(other);
  other.container.initialObjects.map.set("x", 1);
  await until(() => container.initialObjects.map.get("x") === 1, { what: "the edit of the other" });
});
