// The package keeps the names and signatures of the original client, so that an app written for
// that one moves over by changing its import. The types are checked by `npm run typecheck`.

import type { ITelemetryBaseLogger } from "@fluidframework/core-interfaces";
import type {
  CompatibilityMode as StaticCompatibilityMode,
  ContainerSchema,
  IConnection,
  IFluidContainer,
  IServiceAudience,
} from "@fluidframework/fluid-static";
import * as driver from "levee-driver";
import { expect, expectTypeOf, test } from "vitest";
import * as api from "../src/index.ts";
import type {
  CompatibilityMode,
  DriverLeveeUser,
  ILeveeAudience,
  LeveeClientProps,
  LeveeConfig,
  LeveeConnectionConfig,
  LeveeContainerServices,
  LeveeMember,
  LeveeUser,
} from "../src/index.ts";
import { schema } from "./app.ts";

test("the exported values are the original's, and those that were added", () => {
  expect(Object.keys(api).sort()).toEqual([
    "InsecureLeveeTokenProvider",
    "LeveeClient",
    "LeveePresenceError",
    "RemoteLeveeTokenProvider",
  ]);
  expect(api.InsecureLeveeTokenProvider).toBe(driver.InsecureLeveeTokenProvider);
  expect(api.RemoteLeveeTokenProvider).toBe(driver.RemoteLeveeTokenProvider);
});

/** What the original's `createContainer` and `getContainer` resolve to. */
type Opened<T extends ContainerSchema> = {
  container: IFluidContainer<T>;
  services: LeveeContainerServices;
};

test("the original's types", () => {
  expectTypeOf<CompatibilityMode>().toEqualTypeOf<StaticCompatibilityMode>();
  expectTypeOf<LeveeConfig>().toEqualTypeOf<driver.LeveeConfig>();
  expectTypeOf<DriverLeveeUser>().toEqualTypeOf<driver.LeveeUser>();
  expectTypeOf<ILeveeAudience>().toEqualTypeOf<IServiceAudience<LeveeMember>>();
  expectTypeOf<LeveeContainerServices["audience"]>().toEqualTypeOf<ILeveeAudience>();

  expectTypeOf<LeveeMember["id"]>().toEqualTypeOf<string>();
  expectTypeOf<LeveeMember["name"]>().toEqualTypeOf<string>();
  expectTypeOf<LeveeMember["connections"]>().toEqualTypeOf<IConnection[]>();
  expectTypeOf<{ id: string; name: string }>().toExtend<LeveeUser>();
  expectTypeOf<LeveeUser>().toExtend<{ id: string; name: string }>();

  expectTypeOf<LeveeClientProps["connection"]>().toEqualTypeOf<LeveeConnectionConfig>();
  expectTypeOf<LeveeClientProps["logger"]>().toEqualTypeOf<ITelemetryBaseLogger | undefined>();
  expectTypeOf<{
    httpUrl: string;
    socketUrl?: string;
    tenantId?: string;
    tenantKey?: string;
    user?: { id: string; name: string };
    authToken?: string;
    tokenProvider?: driver.TokenProvider;
  }>().toExtend<LeveeConnectionConfig>();
  expectTypeOf<Pick<LeveeConnectionConfig, "httpUrl">>().toEqualTypeOf<{
    readonly httpUrl: string;
  }>();
});

test("the original's signatures", () => {
  expectTypeOf(api.LeveeClient).constructorParameters.toEqualTypeOf<[LeveeClientProps]>();
  expectTypeOf(api.LeveeClient.create).toEqualTypeOf<
    (props: LeveeClientProps) => Promise<api.LeveeClient>
  >();
  type Schema = typeof schema;
  const use = async (client: api.LeveeClient) => {
    for (const mode of ["1", "2", "2.100.0"] as const) {
      expectTypeOf(client.createContainer(schema, mode)).toEqualTypeOf<Promise<Opened<Schema>>>();
      expectTypeOf(client.getContainer("id", schema, mode)).toEqualTypeOf<
        Promise<Opened<Schema>>
      >();
    }
    const { container } = await client.createContainer(schema, "2");
    expectTypeOf(container.attach).returns.toEqualTypeOf<Promise<string>>();
    // @ts-expect-error: the version of Fluid is asked for
    await client.getContainer("id", schema);
    // @ts-expect-error: there is no such mode
    await client.createContainer(schema, "4");
  };
  expect(use).toBeTypeOf("function");
});

test("what azure-client has besides", () => {
  type Schema = typeof schema;
  const use = async (client: api.LeveeClient) => {
    expectTypeOf(client.getContainerVersions("id", { maxCount: 1 })).toEqualTypeOf<
      Promise<{ id: string; date?: string }[]>
    >();
    const version = { id: "version" };
    expectTypeOf(client.viewContainerVersion("id", schema, version, "2")).toEqualTypeOf<
      Promise<{ container: IFluidContainer<Schema> }>
    >();
    expectTypeOf(client.copyContainer("id", schema, "2", version)).toEqualTypeOf<
      Promise<Opened<Schema>>
    >();
  };
  expect(use).toBeTypeOf("function");
});

test("presence is typed by what the app says of itself", () => {
  const use = ({ presence }: LeveeContainerServices) => {
    const cursors = presence<{ x: number }>();
    expectTypeOf(cursors.local).toEqualTypeOf<{ x: number } | undefined>();
    cursors.on("updated", (entry, previous) => {
      expectTypeOf(entry.state).toEqualTypeOf<{ x: number }>();
      expectTypeOf(previous.userId).toEqualTypeOf<string>();
    });
    // @ts-expect-error: not what this app says of itself
    cursors.join({ y: 1 });
  };
  expect(use).toBeTypeOf("function");
});
