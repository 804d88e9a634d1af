// One document, edited at once through levee-client and through an official service client.

import { Random, seed } from "levee-testkit/random";
import { Service, tenants } from "levee-testkit/service";
import { pause } from "levee-testkit/wait";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type App, converge, tinyliciousOpener } from "../../e2e/src/app.ts";
import { editAtRandom } from "../../e2e/src/edits.ts";
import { leveeOpener, serializations } from "./app.ts";

let service: Service;
const apps: App[] = [];

beforeAll(async () => {
  service = await Service.start();
});
afterEach(() => {
  for (const app of apps.splice(0)) app.container.dispose();
});
afterAll(() => service?.stop());

describe.each(serializations)("levee-client over %s and tinylicious-client", (serialization) => {
  test.each(["levee-client", "tinylicious-client"])(
    "a document made by %s converges under random edits of both",
    async (maker) => {
      const levee = leveeOpener(service, { tenant: tenants.tinylicious, serialization });
      const official = tinyliciousOpener(service);
      const [creator, other] = maker === "levee-client" ? [levee, official] : [official, levee];
      const { app: first, attach } = await creator.create();
      const documentId = await attach();
      apps.push(
        first,
        await other.load(documentId),
        await levee.load(documentId),
        await official.load(documentId),
      );
      const random = new Random(seed);
      for (let round = 0; round < 60; round++) {
        for (const [at, app] of apps.entries()) editAtRandom(app, random, `u${at}`);
        if (round % 3 === 0) await pause(random.below(15));
      }
      const state = await converge(apps);
      expect(Object.keys(state.map).length).toBeGreaterThan(0);
      expect(state.text.length).toBeGreaterThan(0);
      expect(state.items.length).toBeGreaterThan(0);
      const late = [await levee.load(documentId), await official.load(documentId)];
      apps.push(...late);
      expect(await converge(apps)).toEqual(state);
    },
  );
});
