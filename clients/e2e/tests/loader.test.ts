// container-loader with routerlicious-driver, 2.x and 3.x: what an app without a service client sees.

import { Service, tenants } from "levee-testkit/service";
import { everywhere, needs } from "levee-testkit/target";
import { until } from "levee-testkit/wait";
import { afterAll, beforeAll, describe, expect } from "vitest";
import {
  type LoaderApp,
  LoaderKit,
  type LoaderOptions,
  type Major,
  majors,
  settle,
  watchSummaries,
} from "../src/loader.ts";

let service: Service;
const open: LoaderApp[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterAll(async () => {
  for (const { container } of open) container.dispose();
  await service.stop();
});

async function create(
  major: Major,
  options: Partial<LoaderOptions> = {},
  fill?: (app: LoaderApp) => Promise<void>,
): Promise<LoaderApp> {
  const kit = new LoaderKit(major, service, { tenant: tenants.tinylicious, ...options });
  const app = await kit.create(fill);
  open.push(app);
  return app;
}

async function load(
  major: Major,
  documentId: string,
  options: Partial<LoaderOptions> = {},
): Promise<LoaderApp> {
  const kit = new LoaderKit(major, service, { tenant: tenants.tinylicious, ...options });
  const app = await kit.load(documentId);
  open.push(app);
  return app;
}

function mode({ container }: LoaderApp): string | undefined {
  return container.audience.getMember(container.clientId ?? "")?.mode;
}

describe.each(majors)("loader %i.x", (major) => {
  everywhere("a reader becomes a writer at its first edit, and nothing is lost", async () => {
    const writer = await create(major);
    writer.root.set("a", 1);
    const reader = await load(major, writer.documentId);
    await until(() => mode(reader) !== undefined, { what: "the reader in the audience" });
    expect(mode(reader)).toBe("read");
    await until(() => reader.root.get("a") === 1, { what: "the writer’s edit" });
    const readerId = reader.container.clientId;
    reader.root.set("b", 2);
    reader.root.set("c", 3);
    await until(() => writer.root.get("c") === 3, { what: "the reader’s edits" });
    expect(writer.root.get("b")).toBe(2);
    expect(mode(reader)).toBe("write");
    expect(reader.container.clientId).not.toBe(readerId);
    await settle([writer, reader]);
  });

  everywhere("signals reach everyone with the sender, a targeted one its target only", async () => {
    const apps = [await create(major)];
    const [first] = apps;
    if (first === undefined) throw new Error("unreachable: just created");
    apps.push(await load(major, first.documentId), await load(major, first.documentId));
    await until(() => apps.every((app) => app.container.audience.getMembers().size === 3), {
      what: "three members seen by each",
    });
    const got = apps.map(() => [] as string[]);
    for (const [index, app] of apps.entries()) {
      app.runtime.on("signal", (message, local) => {
        got[index]?.push(`${message.type}:${JSON.stringify(message.content)}:${local}`);
      });
    }
    first.runtime.submitSignal("all", { n: 1 });
    first.runtime.submitSignal("one", { n: 2 }, apps[2]?.container.clientId);
    first.runtime.submitSignal("last", { n: 3 });
    await until(() => got.every((list) => list.at(-1)?.startsWith("last")), {
      what: "the last signal at each client",
      seen: () => got,
    });
    expect(got).toEqual([
      ['all:{"n":1}:true', 'last:{"n":3}:true'],
      ['all:{"n":1}:false', 'last:{"n":3}:false'],
      ['all:{"n":1}:false', 'one:{"n":2}:false', 'last:{"n":3}:false'],
    ]);
  });

  const names = ["plain", "my map ü", "日本語 «x»", "a+b & c=d"];
  needs("names")("channels with spaced and non-ASCII names load again", async () => {
    const first = await create(major, {}, async (app) => {
      for (const name of names) (await app.channel(name)).set("name", name);
    });
    const second = await load(major, first.documentId);
    for (const name of names) {
      expect((await second.channel(name)).get("name")).toBe(name);
    }
  });

  needs("names")("such names survive summaries and their incremental handles", async () => {
    const options = { summarizeAfterOps: 5 };
    const first = await create(major, options, async (app) => {
      for (const name of names) (await app.channel(name)).set("name", name);
    });
    const summaries = watchSummaries(first);
    for (let round = 1; round <= 2; round++) {
      for (let i = 0; i < 6; i++) first.root.set("n", round * 10 + i);
      await until(() => summaries.acked >= round, { what: `summary ${round}` });
    }
    expect(summaries.nacked).toBe(0);
    const late = await load(major, first.documentId);
    expect(late.container.deltaManager.initialSequenceNumber).toBeGreaterThan(0);
    for (const name of names) {
      expect((await late.channel(name)).get("name")).toBe(name);
    }
  });

  everywhere("summaries are taken by themselves, and clients load from them", async () => {
    const options = { summarizeAfterOps: 5 };
    const first = await create(major, options, async (app) => {
      (await app.channel("quiet")).set("unchanged", "since creation");
    });
    const summaries = watchSummaries(first);
    for (let round = 1; round <= 3; round++) {
      for (let i = 0; i < 8; i++) first.root.set(`k${i}`, round);
      await until(() => summaries.acked >= round, {
        what: `summary ${round}`,
        seen: () => summaries,
      });
    }
    expect(summaries.nacked).toBe(0);
    const late = await load(major, first.documentId);
    expect(summaries.coveredTo).toBeGreaterThan(0);
    expect(late.container.deltaManager.initialSequenceNumber).toBeGreaterThanOrEqual(
      summaries.coveredTo,
    );
    await until(() => late.root.get("k7") === 3, { what: "the state after the summaries" });
    expect((await late.channel("quiet")).get("unchanged")).toBe("since creation");
    late.root.set("from the late one", true);
    await until(() => first.root.get("from the late one") === true, { what: "an edit after" });
  });

  needs("discovery")("whole summaries with discovery carry incremental handles", async () => {
    const options = {
      summarizeAfterOps: 5,
      policies: { enableWholeSummaryUpload: true, enableDiscovery: true },
    };
    const first = await create(major, options, async (app) => {
      (await app.channel("quiet")).set("unchanged", "since creation");
    });
    const summaries = watchSummaries(first);
    for (let round = 1; round <= 3; round++) {
      for (let i = 0; i < 8; i++) first.root.set(`k${i}`, round);
      await until(() => summaries.acked >= round, { what: `summary ${round}` });
    }
    expect(summaries.nacked).toBe(0);
    const late = await load(major, first.documentId, options);
    expect(summaries.coveredTo).toBeGreaterThan(0);
    expect(late.container.deltaManager.initialSequenceNumber).toBeGreaterThanOrEqual(
      summaries.coveredTo,
    );
    expect((await late.channel("quiet")).get("unchanged")).toBe("since creation");
    await until(() => late.root.get("k7") === 3, { what: "the state after the summaries" });
  });

  everywhere("plain REST reads what the one-request envelope wrote", async () => {
    const first = await create(major, { summarizeAfterOps: 5 });
    const summaries = watchSummaries(first);
    for (let i = 0; i < 8; i++) first.root.set(`k${i}`, i);
    await until(() => summaries.acked >= 1, { what: "a summary" });
    // Without the envelope the driver cannot post: it hands `fetch` an object. It can read.
    const second = await load(major, first.documentId, { policies: { enableRestLess: false } });
    expect(second.container.deltaManager.initialSequenceNumber).toBeGreaterThan(0);
    await until(() => second.root.get("k7") === 7, { what: "the edits" });
    second.root.set("from the second", true);
    await until(() => first.root.get("from the second") === true, { what: "an edit back" });
  });
});

everywhere("a 2.x and a 3.x client work on one document", async () => {
  // Either may be elected to summarise: whoever is the first to write.
  const options = { summarizeAfterOps: 20 };
  const older = await create(2, options);
  const newer = await load(3, older.documentId, options);
  const summaries = watchSummaries(newer);
  for (let i = 0; i < 30; i++) {
    older.root.set(`older ${i}`, i);
    newer.root.set(`newer ${i}`, i);
  }
  await settle([older, newer]);
  await until(() => summaries.acked >= 1, { what: "a summary, read by the 3.x client" });
  const late = await load(3, older.documentId);
  await settle([older, newer, late]);
  const keys = [...late.root.keys()].sort();
  expect(keys).toHaveLength(60);
  expect([...older.root.keys()].sort()).toEqual(keys);
  expect([...newer.root.keys()].sort()).toEqual(keys);
});
