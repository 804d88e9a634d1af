// Automatic summaries under the clients' own defaults, and the versions they leave behind.

import { Service } from "levee-testkit/service";
import { type Case, everywhere, needs } from "levee-testkit/target";
import { pause, until } from "levee-testkit/wait";
import { afterAll, beforeAll, describe, expect } from "vitest";
import {
  type App,
  type AzureOpener,
  azureLocalOpener,
  azureRemoteOpener,
  converge,
  Item,
  saved,
  viewVersion,
} from "../src/app.ts";

let service: Service;
beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());

const forms: readonly [string, Case, (service: Service) => AzureOpener][] = [
  ["azure-client local", everywhere, azureLocalOpener],
  ["azure-client remote", needs("discovery"), azureRemoteOpener],
];

describe.each(forms)("%s", (_name, test, openerOf) => {
  const open: App[] = [];
  afterAll(() => {
    for (const app of open) app.container.dispose();
  });

  test("a summary is taken by itself; old and new versions can be viewed", async () => {
    const opener = openerOf(service);
    const { app, attach } = await opener.create();
    open.push(app);
    app.map.set("count", 0);
    app.items.insertAtEnd(new Item({ id: "first", count: 0 }));
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
    expect(versions.at(-1)?.id).toBe(birth.id);
    const [newest] = versions;
    if (newest === undefined) throw new Error("unreachable: two versions");
    expect(Number.isNaN(Date.parse(newest.date ?? "none"))).toBe(false);

    const late = await openerOf(service).load(documentId);
    open.push(late);
    expect(await converge([app, late])).toEqual(edited);
    expect(await viewVersion(opener, documentId, newest)).toEqual(edited);
    expect(await viewVersion(opener, documentId, birth)).toEqual(atBirth);
    const two = await opener.client.getContainerVersions(documentId, { maxCount: 2 });
    expect(two).toEqual(versions.slice(0, 2));
  });

  test("a document that does not exist gives the error that official tests expect", async () => {
    const error = await openerOf(service)
      .load("00000000-dead-4ead-beef-000000000000")
      .then(
        () => undefined,
        (reason: Error & { errorType?: string; statusCode?: number }) => reason,
      );
    if (error === undefined) throw new Error("an absent document was loaded");
    if (_name.endsWith("remote")) {
      expect(error).toMatchObject({
        errorType: "fileNotFoundOrAccessDeniedError",
        statusCode: 404,
        canRetry: false,
      });
    } else {
      expect(error.message).toBe("0x8e4");
    }
  });
});
