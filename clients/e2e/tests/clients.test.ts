// The official service clients: create, attach, load, edit together, go offline, come back.

import { Random, seed } from "levee-testkit/random";
import { Service } from "levee-testkit/service";
import { type Case, everywhere, needs } from "levee-testkit/target";
import { pause, until, within } from "levee-testkit/wait";
import { afterAll, beforeAll, describe, expect } from "vitest";
import {
  type App,
  azureLocalOpener,
  azureRemoteOpener,
  converge,
  Item,
  type Opener,
  saved,
  tinyliciousOpener,
} from "../src/app.ts";
import { editAtRandom } from "../src/edits.ts";

let service: Service;
beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());

const forms: readonly [string, Case, (service: Service) => Opener][] = [
  ["tinylicious-client", everywhere, tinyliciousOpener],
  ["azure-client local", everywhere, azureLocalOpener],
  ["azure-client remote", needs("discovery"), azureRemoteOpener],
];

describe.each(forms)("%s", (_name, test, opener) => {
  const open: App[] = [];
  async function create(): Promise<App> {
    const { app, attach } = await opener(service).create();
    open.push(app);
    app.map.set("born", "detached");
    app.text.insertText(0, "before ");
    app.items.insertAtEnd(new Item({ id: "first", count: 1 }));
    await attach();
    return app;
  }
  async function load(documentId: string): Promise<App> {
    const app = await opener(service).load(documentId);
    open.push(app);
    return app;
  }
  afterAll(() => {
    for (const app of open) app.container.dispose();
  });

  test("a second client loads what the first attached, and sees its edits", async () => {
    const first = await create();
    const second = await load(first.documentId);
    expect(second.state()).toEqual({
      map: { born: "detached" },
      text: "before ",
      items: [{ id: "first", count: 1 }],
    });
    first.map.set("after", { nested: [1, "two", null] });
    second.text.insertText(second.text.getLength(), "after");
    second.items.insertAtEnd(new Item({ id: "second", count: 2 }));
    expect(await converge([first, second])).toEqual({
      map: { after: { nested: [1, "two", null] }, born: "detached" },
      text: "before after",
      items: [
        { id: "first", count: 1 },
        { id: "second", count: 2 },
      ],
    });
  });

  test("clients that edit at random at the same time converge", async () => {
    const first = await create();
    const apps = [first, await load(first.documentId), await load(first.documentId)];
    const random = new Random(seed);
    for (let round = 0; round < 30; round++) {
      for (const [index, app] of apps.entries()) {
        for (let i = random.below(4); i > 0; i--) editAtRandom(app, random, `c${index}`);
      }
      await pause(random.below(8));
    }
    const state = await converge(apps);
    const late = await load(first.documentId);
    expect((await converge([...apps, late])).text).toEqual(state.text);
    expect(late.state()).toEqual(state);
  });

  test("edits made offline arrive once, after the client is back", async () => {
    const first = await create();
    const second = await load(first.documentId);
    await converge([first, second]);
    second.container.disconnect();
    second.text.insertText(0, "offline ");
    second.map.set("offline", true);
    first.text.insertText(first.text.getLength(), "meanwhile");
    await saved(first);
    expect(second.container.isDirty).toBe(true);
    expect(first.map.has("offline")).toBe(false);
    second.container.connect();
    const state = await converge([first, second]);
    expect(state.text).toBe("offline before meanwhile");
    expect(state.map).toEqual({ born: "detached", offline: true });
  });

  test("the audience shows who is there, and who has left", async () => {
    const first = await create();
    const second = await load(first.documentId);
    const members = () => first.audience.getMembers().size;
    await until(() => members() === 2, { what: "two members", seen: members });
    expect(first.audience.getMyself()?.connections).toHaveLength(1);
    const left = new Promise<string>((resolve) => {
      first.audience.on("memberRemoved", (clientId) => resolve(clientId));
    });
    const own = () => second.audience.getMyself()?.currentConnection;
    await until(() => typeof own() === "string", { what: "the second member to know itself" });
    const gone = own();
    second.container.dispose();
    expect(await within(left, { what: "the leave of the second member" })).toBe(gone);
    expect(members()).toBe(1);
  });

  test("an attachment blob is readable by the other client", async () => {
    const first = await create();
    const bytes = Buffer.from(new Random(seed).text(300_000));
    bytes[0] = 0;
    bytes[1] = 0xff;
    const handle = await first.uploadBlob(new Uint8Array(bytes));
    first.map.set("picture", handle);
    await saved(first);
    const second = await load(first.documentId);
    await until(() => second.map.has("picture"), { what: "the blob’s handle" });
    const stored = await second.map.get("picture").get();
    expect(Buffer.from(stored).equals(bytes)).toBe(true);
  });

  test("a value of 5 MB arrives whole", async () => {
    const first = await create();
    const second = await load(first.documentId);
    const value = new Random(seed).text(5_000_000);
    first.map.set("large", value);
    await saved(first);
    await until(() => second.map.get("large") === value, { what: "the large value" });
    const late = await load(first.documentId);
    await until(() => late.map.get("large") === value, { what: "the large value, late" });
  });
});
