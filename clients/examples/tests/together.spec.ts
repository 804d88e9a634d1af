// Every example in two windows: share, edit, leave, reload, lose the network, lose the service.

import type { Page } from "@playwright/test";
import { type Example, examples } from "./examples.ts";
import { connected, expect, type Stage, share, test } from "./stage.ts";

/** Opens a new document in one window, and by its shared link in another. */
async function pair(stage: Stage, example: Example): Promise<[Page, Page]> {
  const first = await stage.openExample(`/examples/${example.name}/`);
  const second = await stage.openExample(await share(first));
  return [first, second];
}

/** Waits until all windows show the same, with all the marks in it. */
async function converge(example: Example, pages: readonly Page[], marks: readonly string[]) {
  for (const page of pages) await connected(page);
  await expect
    .poll(
      async () => {
        const read = await Promise.all(pages.map((page) => example.read(page)));
        const missing = marks.filter((mark) => !read.every((text) => text.includes(mark)));
        return { isSame: read.every((text) => text === read[0]), missing };
      },
      { timeout: 60_000 },
    )
    .toEqual({ isSame: true, missing: [] });
}

const faces = (page: Page) => page.locator(".people .face");
const state = (page: Page) => page.locator(".state");

for (const example of examples) {
  test.describe(example.name, () => {
    test("is shared by its link, edited on both sides, and there after a reload", async ({
      stage,
    }) => {
      const [first, second] = await pair(stage, example);
      expect(second.url()).toBe(first.url());
      const marks = [await example.edit(first, "from-first")];
      await converge(example, [first, second], marks);
      marks.push(await example.edit(second, "from-second"));
      await converge(example, [first, second], marks);
      await example.act(second);
      await expect(first.locator(example.acted).first()).toBeVisible();
      await stage.picture(first, "first");
      await second.reload();
      await converge(example, [first, second], marks);
    });

    test("shows who is here, and within 2 seconds who has gone", async ({ stage }) => {
      const [first, second] = await pair(stage, example);
      await expect(faces(first)).toHaveCount(2);
      await expect(faces(second)).toHaveCount(2);
      await example.act(second);
      await expect(first.locator(example.acted).first()).toBeVisible();
      await second.close();
      await expect(faces(first)).toHaveCount(1, { timeout: 2000 });
      if (example.name !== "dice") {
        await expect(first.locator(example.acted)).toHaveCount(0, { timeout: 2000 });
      }
    });

    test("keeps edits without a network, and sends them when it is back", async ({ stage }) => {
      const [first, second] = await pair(stage, example);
      const marks = [await example.edit(first, "before")];
      await converge(example, [first, second], marks);
      stage.expectOutage();
      await first.context().setOffline(true);
      await second.context().setOffline(true);
      stage.link.cut();
      for (const page of [first, second]) {
        await expect(state(page)).toHaveAttribute("data-state", "offline");
      }
      marks.push(await example.edit(first, "first-alone"));
      marks.push(await example.edit(second, "second-alone"));
      await expect(first.getByRole("alert")).toContainText("kept here");
      await expect(state(first)).toHaveAttribute("data-saved", "false");
      await stage.picture(first, "offline");
      stage.link.mend();
      await first.context().setOffline(false);
      await second.context().setOffline(false);
      await converge(example, [first, second], marks);
      await expect(first.getByRole("alert")).toBeHidden();
    });

    test("loses nothing when the service is killed while both edit", async ({ stage }) => {
      const [first, second] = await pair(stage, example);
      const marks: string[] = [];
      const editOnBoth = async (round: string) => {
        marks.push(await example.edit(first, `first-${round}`));
        marks.push(await example.edit(second, `second-${round}`));
      };
      await editOnBoth("alive");
      stage.expectOutage();
      // In the middle: what was just done is on its way, or not even that.
      const killed = stage.service.kill();
      await editOnBoth("dying");
      await killed;
      for (const page of [first, second]) {
        await expect(state(page)).toHaveAttribute("data-state", "reconnecting");
      }
      await editOnBoth("dead");
      await stage.service.resume();
      await converge(example, [first, second], marks);
      const third = await stage.openExample(first.url());
      await converge(example, [first, second, third], marks);
      await expect(faces(third)).toHaveCount(3);
    });
  });
}
