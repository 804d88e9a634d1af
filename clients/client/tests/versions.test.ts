// Stored versions: listed, viewed, copied.

import { Service } from "levee-testkit/service";
import { pause, until } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type App, converge, Item, itemsView, saved } from "../../e2e/src/app.ts";
import { FLUID_VERSION, type LeveeOpener, leveeOpener, schema } from "./app.ts";

let service: Service;
const apps: App[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterEach(() => {
  for (const app of apps.splice(0)) app.container.dispose();
});
afterAll(() => service?.stop());

async function viewed({ client }: LeveeOpener, documentId: string, version: { id: string }) {
  const { container } = await client.viewContainerVersion(
    documentId,
    schema,
    version,
    FLUID_VERSION,
  );
  const { map, text, tree } = container.initialObjects;
  const state = {
    map: Object.fromEntries(map.entries()),
    text: text.getText(),
    items: tree.viewWith(itemsView).root.map(({ id, count }) => ({ id, count })),
  };
  container.dispose();
  return state;
}

test("versions are listed, viewed and copied", async () => {
  const opener = leveeOpener(service);
  const { app, attach } = await opener.create();
  apps.push(app);
  app.map.set("count", 0);
  const documentId = await attach();
  const atBirth = app.state();
  const [birth, ...none] = await opener.client.getContainerVersions(documentId);
  if (birth === undefined) throw new Error("a new document has no version");
  expect(none).toEqual([]);

  // The default client summarises after 100 ops, at the earliest 5 s after it has loaded.
  for (let i = 1; i <= 150; i++) {
    app.map.set("count", i);
    app.text.insertText(app.text.getLength(), `${i} `);
    if (i % 10 === 0) app.items.insertAtEnd(new Item({ id: `item ${i}`, count: i }));
    await pause(1);
  }
  await saved(app);
  const edited = app.state();
  let versions = await opener.client.getContainerVersions(documentId);
  await until(
    async () => {
      versions = await opener.client.getContainerVersions(documentId);
      return versions.length >= 2;
    },
    { what: "a version by an automatic summary", timeoutMs: 45_000, seen: () => versions },
  );
  const [newest] = versions;
  if (newest === undefined) throw new Error("unreachable: two versions");
  expect(versions.at(-1)?.id).toBe(birth.id);
  expect(Number.isNaN(Date.parse(newest.date ?? "none"))).toBe(false);
  expect(await opener.client.getContainerVersions(documentId, { maxCount: 1 })).toEqual([newest]);
  expect(await viewed(opener, documentId, newest)).toEqual(edited);
  expect(await viewed(opener, documentId, birth)).toEqual(atBirth);

  const { app: copyOfBirth, attach: attachBirth } = await opener.copy(documentId, birth);
  const { app: copyOfNewest, attach: attachNewest } = await opener.copy(documentId, newest);
  apps.push(copyOfBirth, copyOfNewest);
  expect(copyOfBirth.state()).toEqual(atBirth);
  expect(copyOfNewest.state()).toEqual(edited);
  const ids = [documentId, await attachBirth(), await attachNewest()];
  expect(new Set(ids).size).toBe(3);
}, 90_000);

test("a copy is a document of its own, with everything that was sequenced until then", async () => {
  const { app: source, attach } = await leveeOpener(service).create();
  apps.push(source);
  source.text.insertText(0, "in the first version; ");
  const documentId = await attach();
  source.text.insertText(source.text.getLength(), "after it");
  source.items.insertAtEnd(new Item({ id: "late", count: 7 }));
  const picture = new Uint8Array([0xff, 0xfe, 0x00, 0x80, 0xc3]);
  source.map.set("picture", await source.uploadBlob(picture));
  await saved(source);

  const opener = leveeOpener(service);
  const { app: copy, attach: attachCopy } = await opener.copy(documentId);
  expect(copy.text.getText()).toBe("in the first version; after it");
  copy.text.insertText(0, "copied: ");
  const copyId = await attachCopy();
  expect(copyId).not.toBe(documentId);
  copy.items.insertAtStart(new Item({ id: "only in the copy", count: 1 }));
  await saved(copy);
  const second = await leveeOpener(service).load(copyId);
  second.text.insertText(second.text.getLength(), ", and edited");
  const copies = [copy, second];
  for (const one of copies) {
    expect(new Uint8Array(await one.map.get("picture").get())).toEqual(picture);
  }
  copy.map.delete("picture");
  expect(await converge(copies)).toEqual({
    map: {},
    text: "copied: in the first version; after it, and edited",
    items: [
      { id: "only in the copy", count: 1 },
      { id: "late", count: 7 },
    ],
  });
  const [birth] = await opener.client.getContainerVersions(copyId);
  expect(birth).toBeDefined();

  expect(source.text.getText()).toBe("in the first version; after it");
  const members = [...source.audience.getMembers().keys()];
  expect(members).not.toContain(opener.user.id);
  apps.push(...copies);
});
