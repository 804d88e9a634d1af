// The two ends of the supported range of Fluid, and both in one document.

import * as aqueductHigh from "aqueduct-high/legacy";
import * as aqueductLow from "aqueduct-low/legacy";
import { Service, tenants } from "levee-testkit/service";
import { pause, until } from "levee-testkit/wait";
import * as loaderHigh from "loader-high/legacy";
import * as loaderLow from "loader-low/legacy";
import type { ISharedDirectory } from "map-low/legacy";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  InsecureLeveeTokenProvider,
  LeveeDocumentServiceFactory,
  LeveeUrlResolver,
} from "../src/index.ts";

type End = "low" | "high";
type Container = Awaited<ReturnType<loaderLow.Loader["createDetachedContainer"]>>;

interface Opened {
  readonly container: Container;
  readonly root: ISharedDirectory;
}

let service: Service;
const open: Container[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());
afterEach(() => {
  for (const container of open.splice(0)) container.close();
});

/** Summarises as soon as something has changed. */
const summaryOptions = {
  summaryConfigOverrides: {
    state: "enabled",
    minIdleTime: 0,
    maxIdleTime: 500,
    maxTime: 60_000,
    maxOps: 10,
    minOpsForLastSummaryAttempt: 1,
    maxAckWaitTime: 20_000,
    maxOpsSinceLastSummary: 7000,
    initialSummarizerDelayMs: 0,
    nonRuntimeOpWeight: 0.1,
    runtimeOpWeight: 1,
  },
} as const;

function runtimeLow() {
  class Data extends aqueductLow.DataObject {
    get directory() {
      return this.root;
    }
  }
  const defaultFactory = new aqueductLow.DataObjectFactory("data", Data, [], {});
  return new aqueductLow.ContainerRuntimeFactoryWithDefaultDataStore({
    defaultFactory,
    registryEntries: [defaultFactory.registryEntry],
    runtimeOptions: { summaryOptions },
  });
}

function runtimeHigh() {
  class Data extends aqueductHigh.DataObject {
    get directory() {
      return this.root;
    }
  }
  const defaultFactory = new aqueductHigh.DataObjectFactory({ type: "data", ctor: Data });
  return new aqueductHigh.ContainerRuntimeFactoryWithDefaultDataStore({
    defaultFactory,
    registryEntries: [defaultFactory.registryEntry],
    runtimeOptions: { summaryOptions },
  });
}

const resolver = () => new LeveeUrlResolver(undefined, service.url);

/** The loader of one end. That its properties are accepted is a part of what is tested. */
function loader(end: End): loaderLow.Loader {
  const documentServiceFactory = new LeveeDocumentServiceFactory(
    new InsecureLeveeTokenProvider(tenants.fluid.key, { id: "u", name: "U" }),
  );
  const fluidExport = end === "low" ? runtimeLow() : runtimeHigh();
  const module = { fluidExport } as never;
  const codeLoader = { load: async () => ({ module, details: { package: "app" } }) };
  switch (end) {
    case "low": {
      const props: loaderLow.ILoaderProps = {
        urlResolver: resolver(),
        documentServiceFactory,
        codeLoader,
      };
      return new loaderLow.Loader(props);
    }
    case "high": {
      const props: loaderHigh.ILoaderProps = {
        urlResolver: resolver(),
        documentServiceFactory,
        codeLoader,
      };
      return new loaderHigh.Loader(props) as unknown as loaderLow.Loader;
    }
  }
}

async function opened(container: Container): Promise<Opened> {
  open.push(container);
  const { directory } = (await container.getEntryPoint()) as { directory: ISharedDirectory };
  return { container, root: directory };
}

async function create(end: End): Promise<Opened> {
  const container = await loader(end).createDetachedContainer({ package: "app" });
  await container.attach(resolver().createCreateNewRequest());
  return opened(container);
}

async function load(end: End, { container }: Opened): Promise<Opened> {
  const request = resolver().createRequestForDocument(container.resolvedUrl?.id ?? "");
  return opened(await loader(end).resolve(request));
}

async function sees({ root }: Opened, key: string, value: unknown): Promise<void> {
  await until(() => root.get(key) === value, { what: key, seen: () => root.get(key) });
}

async function summarized({ container, root }: Opened): Promise<void> {
  let isAcked = false;
  container.on("op", ({ type }) => {
    isAcked ||= type === "summaryAck";
  });
  for (let at = 0; at < 30; at++) root.set("counted", at);
  await until(() => isAcked, { what: "an accepted summary" });
}

describe.each(["low", "high"] as const)("the %s end", (end) => {
  test("creates, loads, edits and summarises", async () => {
    const first = await create(end);
    first.root.set("a", 1);
    const second = await load(end, first);
    await sees(second, "a", 1);
    second.root.set("b", 2);
    await sees(first, "b", 2);
    await summarized(first);
    const third = await load(end, first);
    await sees(third, "counted", 29);
    await sees(third, "a", 1);
  });

  test("lives through a restart of the service", async () => {
    const first = await create(end);
    const second = await load(end, first);
    first.root.set("before", 1);
    await sees(second, "before", 1);
    await service.kill();
    first.root.set("while down", 1);
    await pause(1000);
    await service.resume();
    await sees(second, "while down", 1);
    expect(first.container.closed || second.container.closed).toBe(false);
  });
});

test("both ends edit one document, and outlive each other", async () => {
  const low = await create("low");
  const high = await load("high", low);
  low.root.set("from low", 1);
  high.root.set("from high", 2);
  await sees(high, "from low", 1);
  await sees(low, "from high", 2);
  const third = await load("high", low);
  await sees(third, "from low", 1);
  third.root.set("from the third", 3);
  await sees(low, "from the third", 3);
  const leaver = third.container.clientId ?? "";
  const { audience } = low.container;
  expect(audience.getMember(leaver)).toBeDefined();
  third.container.close();
  await until(() => audience.getMember(leaver) === undefined, { what: "a leave" });
  high.root.set("after the leave", 4);
  await sees(low, "after the leave", 4);
  expect(low.container.closed || high.container.closed).toBe(false);
});
