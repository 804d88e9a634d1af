// The sizes that Azure Fluid Relay's users have: 100 users, ops of 700 KB, summaries of 28 MB,
// documents of 95 MB.

import { createHash } from "node:crypto";
import { Random, seed } from "levee-testkit/random";
import { Service, tenants } from "levee-testkit/service";
import { everywhere, needs, target } from "levee-testkit/target";
import { until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type App, azureLocalOpener, azureRemoteOpener, converge } from "../src/app.ts";
import { type LoaderApp, LoaderKit, type LoaderOptions, watchSummaries } from "../src/loader.ts";
import { Probe } from "../src/probe.ts";
import { createDocument, readDeltas } from "../src/rest.ts";

let service: Service;
const open: { readonly container: { dispose(): void } }[] = [];
const random = new Random(seed);

beforeAll(async () => {
  service = await Service.start();
});
afterEach(() => {
  for (const { container } of open.splice(0)) container.dispose();
});
afterAll(() => service.stop());

function digest(value: unknown): string {
  return createHash("sha256").update(String(value)).digest("hex");
}

everywhere(
  "100 users work in one session",
  async () => {
    const USERS = 100;
    const opener = target === "levee" ? azureRemoteOpener : azureLocalOpener;
    const { app: first, attach } = await opener(service).create();
    const documentId = await attach();
    const apps: App[] = [first];
    open.push(first);
    while (apps.length < USERS) {
      const batch = await Promise.all(
        Array.from({ length: 9 }, () => opener(service).load(documentId)),
      );
      apps.push(...batch);
      open.push(...batch);
    }
    await until(() => apps.every((app) => app.audience.getMembers().size === USERS), {
      what: "100 members seen by each",
      timeoutMs: 60_000,
      seen: () => apps.map((app) => app.audience.getMembers().size),
    });
    for (const [index, app] of apps.entries()) {
      app.map.set(`user ${index}`, index);
      app.text.insertText(0, `<${index}>`);
    }
    const state = await converge(apps);
    expect(Object.keys(state.map)).toHaveLength(USERS);
    expect(state.text.match(/<\d+>/g)?.length).toBe(USERS);
  },
  180_000,
);

everywhere("an op of 700 KB arrives whole at an official client", async () => {
  const options: LoaderOptions = { tenant: tenants.tinylicious, wholeOps: true };
  const writer = await new LoaderKit(2, service, options).create();
  const reader = await new LoaderKit(3, service, options).load(writer.documentId);
  open.push(writer, reader);
  const value = random.text(700_000);
  writer.root.set("large", value);
  await until(() => reader.root.get("large") === value, { what: "the op" });
  const late = await new LoaderKit(3, service, options).load(writer.documentId);
  open.push(late);
  await until(() => late.root.get("large") === value, { what: "the op by /deltas" });
});

needs("frames")("an op of 8 MB arrives whole on a bare socket and in /deltas", async () => {
  const tenant = tenants.tinylicious;
  const documentId = await createDocument(service, tenant);
  const [writer, reader] = [
    await Probe.join(service, tenant, documentId),
    await Probe.join(service, tenant, documentId, { mode: "read" }),
  ];
  await writer.joined();
  const value = random.text(8_000_000);
  const echo = await writer.write(value);
  const shown = await reader.op(({ sequenceNumber }) => sequenceNumber === 2, "the op");
  for (const op of [echo, shown, (await readDeltas(service, tenant, documentId))[1]]) {
    expect(digest(op?.contents)).toBe(digest(JSON.stringify(value)));
  }
  writer.close();
  reader.close();
});

/** Creates a document of `channels` × `valuesPerChannel` values of 1 MB, and says what they are. */
async function createLarge(
  options: LoaderOptions,
  channels: number,
  valuesPerChannel: number,
): Promise<{ app: LoaderApp; digests: Map<string, string> }> {
  const digests = new Map<string, string>();
  const app = await new LoaderKit(3, service, options).create(async (detached) => {
    for (let c = 0; c < channels; c++) {
      const channel = await detached.channel(`channel-${c}`);
      for (let v = 0; v < valuesPerChannel; v++) {
        const value = random.text(1_000_000);
        channel.set(`value-${v}`, value);
        digests.set(`${c}/${v}`, digest(value));
      }
    }
  });
  open.push(app);
  return { app, digests };
}

async function expectLarge(app: LoaderApp, digests: Map<string, string>): Promise<void> {
  for (const [name, wanted] of digests) {
    const [c, v] = name.split("/");
    const channel = await app.channel(`channel-${c}`);
    expect(digest(channel.get(`value-${v}`)), name).toBe(wanted);
  }
}

const summaryForms = [
  ["shredded", needs("largeBodies"), {}],
  ["whole", needs("discovery"), { enableWholeSummaryUpload: true, enableDiscovery: true }],
] as const;

for (const [form, test, policies] of summaryForms) {
  test(`a summary of 28 MB, ${form}`, async () => {
    const options = { tenant: tenants.tinylicious, policies, summarizeAfterOps: 3 };
    const { app, digests } = await createLarge(options, 1, 27);
    const summaries = watchSummaries(app);
    const channel = await app.channel("channel-0");
    const last = random.text(1_000_000);
    digests.set("0/27", digest(last));
    // The channel changes, so the summary carries all of it again.
    channel.set("value-27", last);
    for (let i = 0; i < 5; i++) {
      app.root.set("n", i);
      await Promise.resolve();
    }
    await until(() => summaries.acked >= 1 && summaries.coveredTo > 1, {
      what: "the summary’s ack",
      timeoutMs: 90_000,
      seen: () => summaries,
    });
    expect(summaries.nacked).toBe(0);
    const late = await new LoaderKit(3, service, options).load(app.documentId);
    open.push(late);
    expect(late.container.deltaManager.initialSequenceNumber).toBeGreaterThan(1);
    await until(() => late.root.get("n") === 4, { what: "the edits after" });
    await expectLarge(late, digests);
  }, 180_000);
}

const documentForms = [
  ["shredded", {}],
  ["whole", { enableWholeSummaryUpload: true, enableDiscovery: true }],
] as const;

for (const [form, policies] of documentForms) {
  needs("bodies")(
    `a document of 95 MB, ${form}`,
    async () => {
      const options = { tenant: tenants.tinylicious, policies };
      const { app, digests } = await createLarge(options, 5, 19);
      const late = await new LoaderKit(3, service, options).load(app.documentId);
      open.push(late);
      await expectLarge(late, digests);
      late.root.set("after", 1);
      await until(() => app.root.get("after") === 1, { what: "an edit of the large document" });
    },
    180_000,
  );
}
