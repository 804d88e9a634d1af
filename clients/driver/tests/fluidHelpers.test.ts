// Fluid's own test helpers on this driver: loading, summaries and reconnecting.

import { Loader } from "@fluidframework/container-loader/internal";
import type { IVersion } from "@fluidframework/driver-definitions/legacy";
import { SharedMap } from "@fluidframework/map/internal";
import {
  createSummarizer,
  type ITestContainerConfig,
  type ITestFluidObject,
  summarizeNow,
  TestContainerRuntimeFactory,
  TestFluidObjectFactory,
  TestObjectProvider,
  waitForContainerConnection,
} from "@fluidframework/test-utils/internal";
import { Service, tenants } from "levee-testkit/service";
import { pause, until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  InsecureLeveeTokenProvider,
  type LeveeDeltaConnection,
  LeveeDocumentServiceFactory,
  LeveeUrlResolver,
  type SerializationFormat,
} from "../src/index.ts";
import { Gate } from "./support/gate.ts";

// The helpers ask for the logger of the test runner that Fluid's own repository uses.
(globalThis as { getTestLogger?: unknown }).getTestLogger = undefined;

type Container = Awaited<ReturnType<TestObjectProvider["makeTestContainer"]>>;
type Driver = ConstructorParameters<typeof TestObjectProvider>[1];

/** Fluid's `ITestDriver` for a Levee service. */
class LeveeTestDriver implements Driver {
  // Fluid's helpers know no other service by name; like this one the service gives out the ids.
  readonly type = "r11s";
  readonly endpointName = "levee";
  readonly version = "0.2.0";
  readonly connections: LeveeDeltaConnection[] = [];
  readonly #url: string;
  readonly #serialization: SerializationFormat;
  readonly #tokens = new InsecureLeveeTokenProvider(tenants.fluid.key, { id: "u", name: "U" });

  constructor(url: string, serialization: SerializationFormat) {
    this.#url = url;
    this.#serialization = serialization;
  }

  createDocumentServiceFactory(): LeveeDocumentServiceFactory {
    const factory = new LeveeDocumentServiceFactory(this.#tokens, undefined, this.#serialization);
    factory.onConnection((connection) => this.connections.push(connection));
    return factory;
  }

  createUrlResolver(): LeveeUrlResolver {
    return new LeveeUrlResolver(undefined, this.#url);
  }

  createCreateNewRequest() {
    return this.createUrlResolver().createCreateNewRequest();
  }

  async createContainerUrl(id: string): Promise<string> {
    return this.createUrlResolver().createRequestForDocument(id).url;
  }
}

// The helpers have their own copies of Fluid's packages, one release older; as types they differ.
const config = { registry: [["map", SharedMap.getFactory()]] } as unknown as ITestContainerConfig;

function entryPoint(testConfig?: ITestContainerConfig) {
  return new TestContainerRuntimeFactory(
    "levee-test",
    new TestFluidObjectFactory(testConfig?.registry ?? []),
    testConfig?.runtimeOptions,
  );
}

let service: Service;
let gate: Gate;
let driver: LeveeTestDriver;
let provider: TestObjectProvider;

beforeAll(async () => {
  service = await Service.start();
  gate = await Gate.before(service);
});
afterAll(async () => {
  await gate.close();
  await service.stop();
});

async function mapOf(container: Container): Promise<SharedMap> {
  const object = (await container.getEntryPoint()) as ITestFluidObject;
  return object.getSharedObject<SharedMap>("map");
}

describe.each(["json", "msgpack"] as const)("in %s", (serialization) => {
  beforeEach(() => {
    driver = new LeveeTestDriver(gate.url, serialization);
    provider = new TestObjectProvider(Loader as never, driver, entryPoint as never);
  });
  afterEach(() => {
    gate.instead = () => undefined;
    const problems = provider.tracker.reportAndClearTrackedEvents();
    provider.reset();
    expect(problems).toEqual({ unexpectedErrors: [], expectedNotFound: [] });
  });

  describe("loader", () => {
    test("containers are created, loaded, and agree", async () => {
      const first = await provider.makeTestContainer(config);
      const second = await provider.loadTestContainer(config);
      const [one, two] = [await mapOf(first), await mapOf(second)];
      for (let at = 0; at < 20; at++) {
        one.set(`one ${at}`, { snake_case: at });
        two.set(`two ${at}`, at);
      }
      await provider.ensureSynchronized();
      expect([...two.entries()].sort()).toEqual([...one.entries()].sort());
      expect(two.get("one 7")).toEqual({ snake_case: 7 });
      expect(one.size).toBe(40);
    });

    test("each sees the other in the audience, and sees it leave", async () => {
      const first = await provider.makeTestContainer(config);
      const second = await provider.loadTestContainer(config);
      await waitForContainerConnection(first);
      await waitForContainerConnection(second);
      const id = second.clientId ?? "";
      await until(() => first.audience.getMember(id) !== undefined, { what: "the second member" });
      second.close();
      await until(() => first.audience.getMember(id) === undefined, { what: "its leaving" });
    });
  });

  describe("summariser", () => {
    test("summaries are accepted, build on each other, and are loaded", async () => {
      const first = await provider.makeTestContainer(config);
      const map = await mapOf(first);
      map.set("in", "first");
      await provider.ensureSynchronized();
      const { summarizer } = await createSummarizer(provider as never, first as never, config);
      gate.take();
      const one = await summarizeNow(summarizer);
      const uploads = gate.take().filter((line) => line.includes("/repos/"));
      console.log(`summary: ${uploads.length} requests`, uploads);
      expect(uploads).toEqual(["POST /repos/fluid/git/summaries"]);

      map.set("in", "second");
      await provider.ensureSynchronized();
      const two = await summarizeNow(summarizer);
      expect(two.summaryVersion).not.toBe(one.summaryVersion);
      // What has not changed is only named, and found again when the version is loaded.
      await provider.ensureSynchronized();
      const three = await summarizeNow(summarizer);
      expect(JSON.stringify(three.summaryTree)).toContain('"handle":');
      const late = await provider.loadTestContainer(config);
      expect((await mapOf(late)).get("in")).toBe("second");

      const storage = await documentStorage(first);
      const versions = await storage.getVersions(null, 10);
      expect(versions.map(({ id }) => id).slice(0, 3)).toEqual(
        [three, two, one].map(({ summaryVersion }) => summaryVersion),
      );
      expect(versions).toHaveLength(4);
      expect(versions.every(({ date }) => !Number.isNaN(Date.parse(date ?? "")))).toBe(true);
      const older = await storage.getVersions(two.summaryVersion, 2);
      expect(older.map(({ id }) => id)).toEqual([two.summaryVersion, one.summaryVersion]);
      const [only] = await storage.getVersions(one.summaryVersion, 1);
      expect(only).toMatchObject({ id: one.summaryVersion, treeId: treeOf(versions, one) });
      const snapshot = await storage.getSnapshot({ versionId: one.summaryVersion });
      expect(snapshot.sequenceNumber).toBe(one.summaryRefSeq);
    });
  });

  describe("reconnecting", () => {
    test("edits made while disconnected are kept", async () => {
      const first = await provider.makeTestContainer(config);
      const second = await provider.loadTestContainer(config);
      const map = await mapOf(first);
      await waitForContainerConnection(first);
      first.disconnect();
      map.set("offline", 1);
      (await mapOf(second)).set("meanwhile", 2);
      await pause(200);
      first.connect();
      await waitForContainerConnection(first);
      await provider.ensureSynchronized();
      expect((await mapOf(second)).get("offline")).toBe(1);
      expect(map.get("meanwhile")).toBe(2);
    });

    test("a cut network, and one that stays away for a while", async () => {
      const first = await provider.makeTestContainer(config);
      const second = await provider.loadTestContainer(config);
      await waitForContainerConnection(first);
      gate.cut();
      (await mapOf(first)).set("cut", 1);
      await provider.ensureSynchronized();
      expect((await mapOf(second)).get("cut")).toBe(1);

      gate.instead = () => null;
      gate.cut();
      (await mapOf(second)).set("away", 2);
      await pause(1500);
      gate.instead = () => undefined;
      await provider.ensureSynchronized();
      expect((await mapOf(first)).get("away")).toBe(2);
    });

    test("the service killed and started again", async () => {
      const first = await provider.makeTestContainer(config);
      const second = await provider.loadTestContainer(config);
      await waitForContainerConnection(first);
      await service.kill();
      (await mapOf(first)).set("killed", 1);
      await pause(500);
      await service.resume();
      await provider.ensureSynchronized();
      expect((await mapOf(second)).get("killed")).toBe(1);
    });

    test("an operation that is refused brings a new connection, and nothing is lost", async () => {
      const first = await provider.makeTestContainer(config);
      const second = await provider.loadTestContainer(config);
      (await mapOf(first)).set("before", 1);
      await provider.ensureSynchronized();
      const before = first.clientId;
      const connection = driver.connections.find(({ clientId }) => clientId === before);
      // A reference to the future: the service nacks it, as it would a client's confusion.
      connection?.submit([
        {
          type: "op",
          contents: "{}",
          clientSequenceNumber: 1000,
          referenceSequenceNumber: 1_000_000,
        },
      ]);
      await until(() => first.clientId !== undefined && first.clientId !== before, {
        what: "a new connection",
      });
      (await mapOf(first)).set("after", 1);
      await provider.ensureSynchronized();
      expect((await mapOf(second)).get("after")).toBe(1);
    });
  });
});

function treeOf(versions: readonly IVersion[], { summaryVersion }: { summaryVersion: string }) {
  return versions.find(({ id }) => id === summaryVersion)?.treeId;
}

async function documentStorage({ resolvedUrl }: Container) {
  if (resolvedUrl === undefined) throw new Error("not attached");
  const document = await driver.createDocumentServiceFactory().createDocumentService(resolvedUrl);
  return document.connectToStorage();
}
