// The service is killed, or asked to go, while clients edit: nothing is lost and nothing doubled.

import { Random, seed } from "levee-testkit/random";
import { Service, type Tenant, tenants } from "levee-testkit/service";
import { needs } from "levee-testkit/target";
import { pause, until } from "levee-testkit/wait";
import { afterAll, afterEach, describe, expect } from "vitest";
import {
  type App,
  azureLocalOpener,
  azureRemoteOpener,
  converge,
  type Opener,
  tinyliciousOpener,
} from "../src/app.ts";
import { LoaderKit, settle, watchSummaries } from "../src/loader.ts";
import { Probe } from "../src/probe.ts";
import { createDocument, readDeltas } from "../src/rest.ts";

const services: Service[] = [];
const apps: App[] = [];

afterEach(() => {
  for (const app of apps.splice(0)) app.container.dispose();
});
afterAll(async () => {
  for (const service of services) await service.stop();
});

async function start(): Promise<Service> {
  const service = await Service.start();
  services.push(service);
  return service;
}

/** Writes marks that can be told apart, until it is stopped. */
class Writer {
  readonly written: string[] = [];
  readonly #app: App;
  readonly #name: string;
  #running = true;
  readonly #done: Promise<void>;

  constructor(app: App, name: string, random: Random) {
    this.#app = app;
    this.#name = name;
    this.#done = this.#run(random);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #run(random: Random): Promise<void> {
    while (this.#running) {
      const mark = `<${this.#name}.${this.written.length}>`;
      this.written.push(mark);
      this.#app.text.insertText(this.#app.text.getLength(), mark);
      this.#app.map.set(mark, this.written.length);
      await pause(20 + random.below(60));
    }
  }
}

/** The marks of `text`, sorted; what is between marks shows as a mark of its own. */
function marksOf(text: string): string[] {
  return text.split(/(?<=>)/).sort();
}

async function expectWhole(service: Service, tenant: Tenant, documentId: string): Promise<void> {
  const ops = await readDeltas(service, tenant, documentId);
  expect(ops.map(({ sequenceNumber }) => sequenceNumber)).toEqual(ops.map((_, i) => i + 1));
  const submitted = ops
    .filter(({ clientId }) => clientId !== null)
    .map(({ clientId, clientSequenceNumber }) => `${clientId} ${clientSequenceNumber}`);
  expect(new Set(submitted).size).toBe(submitted.length);
}

const forms: readonly [string, Tenant, (service: Service) => Opener][] = [
  ["tinylicious-client", tenants.tinylicious, tinyliciousOpener],
  ["azure-client local", tenants.local, azureLocalOpener],
  ["azure-client remote", tenants.fluid, azureRemoteOpener],
];

describe.each(forms)("%s", (_name, tenant, opener) => {
  needs("durability")(
    "kill -9 while three clients edit",
    async () => {
      const service = await start();
      const { app: first, attach } = await opener(service).create();
      const documentId = await attach();
      apps.push(first);
      for (let i = 0; i < 2; i++) apps.push(await opener(service).load(documentId));
      const random = new Random(seed);
      const writers = apps.map((app, i) => new Writer(app, `w${i}`, random));
      for (let life = 0; life < 3; life++) {
        await pause(300 + random.below(500));
        await service.kill();
        await pause(100 + random.below(300));
        await service.resume();
        const count = writers[0]?.written.length ?? 0;
        const shown = `<w0.${count}>`;
        await until(() => apps[1]?.map.has(shown) ?? false, {
          what: `an edit of life ${life + 1} at another client`,
          timeoutMs: 60_000,
        });
      }
      for (const writer of writers) await writer.stop();
      const state = await converge(apps);
      const written = writers.flatMap((writer) => writer.written).sort();
      expect(marksOf(state.text)).toEqual(written);
      expect(Object.keys(state.map).sort()).toEqual(written);

      const late = await opener(service).load(documentId);
      apps.push(late);
      expect(await converge(apps)).toEqual(state);
      await expectWhole(service, tenant, documentId);
    },
    180_000,
  );

  needs("durability", "goodbye")(
    "SIGTERM while two clients edit",
    async () => {
      const service = await start();
      const { app: first, attach } = await opener(service).create();
      const documentId = await attach();
      const second = await opener(service).load(documentId);
      apps.push(first, second);
      const random = new Random(seed + 1);
      const writers = apps.map((app, i) => new Writer(app, `w${i}`, random));
      await pause(500);
      expect(await service.terminate()).toBe(0);
      await service.resume();
      await pause(500);
      for (const writer of writers) await writer.stop();
      const state = await converge(apps);
      const written = writers.flatMap((writer) => writer.written).sort();
      expect(marksOf(state.text)).toEqual(written);
      await expectWhole(service, tenant, documentId);
    },
    120_000,
  );
});

needs("durability")("what was acknowledged before kill -9 is there after it", async () => {
  const service = await start();
  const tenant = tenants.tinylicious;
  const documentId = await createDocument(service, tenant);
  const probe = await Probe.join(service, tenant, documentId);
  await probe.joined();
  for (let i = 0; i < 200; i++) probe.submit();
  await until(() => probe.ops().length > 50, { what: "some ops acknowledged" });
  await service.kill();
  const acknowledged = probe.ops();
  await service.resume();
  const stored = await readDeltas(service, tenant, documentId);
  expect(stored.slice(0, acknowledged.length)).toEqual(acknowledged);
  // The writer of the previous life is gone, and the log says so.
  const after = await Probe.join(service, tenant, documentId);
  await after.joined();
  const ops = await readDeltas(service, tenant, documentId);
  const leaves = ops.filter(({ type }) => type === "leave").map(({ data }) => data);
  expect(leaves).toContain(JSON.stringify(probe.clientId));
  expect(after.clientId).not.toBe(probe.clientId);
  const minimums = ops.map(({ minimumSequenceNumber }) => minimumSequenceNumber);
  expect(minimums).toEqual([...minimums].sort((a, b) => a - b));
  after.close();
});

needs("durability")("summaries and attachment blobs survive kill -9", async () => {
  const service = await start();
  const tenant = tenants.tinylicious;
  const kit = (options = {}) => new LoaderKit(3, service, { tenant, ...options });
  const first = await kit({ summarizeAfterOps: 5 }).create();
  const blob = await first.runtime.uploadBlob(new Uint8Array([0, 255, 10]).buffer);
  first.root.set("blob", blob);
  const summaries = watchSummaries(first);
  for (let i = 0; i < 20; i++) {
    first.root.set("n", i);
    await pause(5);
  }
  await until(() => summaries.acked >= 1 && summaries.coveredTo > 0, { what: "a summary" });
  await settle([first]);
  await service.kill();
  first.container.dispose();
  await service.resume();
  const late = await kit().load(first.documentId);
  expect(late.container.deltaManager.initialSequenceNumber).toBeGreaterThanOrEqual(
    summaries.coveredTo,
  );
  await until(() => late.root.get("n") === 19, { what: "the last edit" });
  expect(Buffer.from(await late.root.get("blob").get())).toEqual(Buffer.from([0, 255, 10]));
  late.root.set("after", true);
  await settle([late]);
  late.container.dispose();
});

needs("durability", "discovery")(
  "fifty users come back at once after kill -9, each with what it had not yet sent",
  async () => {
    const service = await start();
    const { app: first, attach } = await azureRemoteOpener(service).create();
    const documentId = await attach();
    apps.push(first);
    while (apps.length < 50) {
      const batch = Array.from({ length: 7 }, () => azureRemoteOpener(service).load(documentId));
      apps.push(...(await Promise.all(batch)));
    }
    for (const [index, app] of apps.entries()) app.map.set(`before ${index}`, index);
    await converge(apps);
    await service.kill();
    for (const [index, app] of apps.entries()) {
      app.map.set(`meanwhile ${index}`, index);
      app.text.insertText(0, `<${index}>`);
    }
    await service.resume();
    const state = await converge(apps, 90_000);
    expect(Object.keys(state.map)).toHaveLength(100);
    expect(marksOf(state.text)).toEqual(apps.map((_, index) => `<${index}>`).sort());
    await expectWhole(service, tenants.fluid, documentId);
    const members = () => apps.map((app) => app.audience.getMembers().size);
    await until(() => members().every((count) => count === 50), {
      what: "50 members and no ghost seen by each",
      seen: members,
    });
  },
  180_000,
);
