// The service is killed with -9 while clients edit: nothing is lost and nothing doubled.

import { Random, seed } from "levee-testkit/random";
import { Service } from "levee-testkit/service";
import { pause, until } from "levee-testkit/wait";
import { afterEach, expect, test } from "vitest";
import { type App, converge } from "../../e2e/src/app.ts";
import { leveeOpener, serializations } from "./app.ts";

const apps: App[] = [];
let service: Service | undefined;

afterEach(async () => {
  for (const app of apps.splice(0)) app.container.dispose();
  await service?.stop();
  service = undefined;
});

function write(app: App, name: string, count: number): string[] {
  const marks = Array.from({ length: count }, (_, i) => `<${name}.${i}>`);
  for (const mark of marks) {
    app.text.insertText(app.text.getLength(), mark);
    app.map.set(mark, true);
  }
  return marks;
}

test.each(serializations)(
  "kill -9 with edits under way and edits while it is down, over %s",
  async (serialization) => {
    const running = await Service.start();
    service = running;
    const { app: first, attach } = await leveeOpener(running, { serialization }).create();
    const documentId = await attach();
    const second = await leveeOpener(running, { serialization }).load(documentId);
    apps.push(first, second);
    const random = new Random(seed);
    const written: string[] = [];
    for (let life = 0; life < 3; life++) {
      written.push(...write(first, `a${life}`, 20), ...write(second, `b${life}`, 20));
      await pause(random.below(30));
      await running.kill();
      written.push(...write(first, `c${life}`, 10), ...write(second, `d${life}`, 10));
      // The last time it is down for longer than a client takes for its first attempts.
      await pause(life === 2 ? 6000 : random.below(500));
      written.push(...write(first, `e${life}`, 5));
      await running.resume();
      const upMs = performance.now();
      await until(() => apps.every(({ container }) => !container.isDirty), {
        what: `every edit of life ${life} acknowledged`,
        timeoutMs: 40_000,
      });
      const backMs = Math.round(performance.now() - upMs);
      console.log(`${serialization}, life ${life}: all saved ${backMs} ms after it was up again`);
      expect(apps.map(({ container }) => container.disposed)).toEqual([false, false]);
    }
    const state = await converge(apps);
    expect(state.text.split(/(?<=>)/).sort()).toEqual(written.sort());
    expect(Object.keys(state.map).sort()).toEqual(written);

    const late = await leveeOpener(running).load(documentId);
    apps.push(late);
    expect(await converge(apps)).toEqual(state);
  },
  180_000,
);
