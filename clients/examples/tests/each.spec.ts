// What only one of the examples does.

import type { Page } from "@playwright/test";
import { connected, expect, type Stage, share, test } from "./stage.ts";

async function pair(stage: Stage, name: string): Promise<[Page, Page]> {
  const first = await stage.openExample(`/examples/${name}/`);
  return [first, await stage.openExample(await share(first))];
}

/** Types letter by letter, as a person does. */
async function type(page: Page, text: string): Promise<void> {
  await page.keyboard.type(text, { delay: 15 });
}

test.describe("to-do list", () => {
  const items = (page: Page) =>
    page
      .locator(".item .words")
      .evaluateAll((fields) => fields.map((field) => (field as HTMLTextAreaElement).value));

  test("two people write in one item at once", async ({ stage }) => {
    const [first, second] = await pair(stage, "todo");
    const item = (page: Page) => page.getByRole("textbox", { name: "Item" }).nth(1);
    await item(first).focus();
    await first.keyboard.press("Home");
    await item(second).focus();
    await second.keyboard.press("End");
    await Promise.all([type(first, "Carefully 🚀: "), type(second, ", then read it 📖 again")]);
    const both = "Carefully 🚀: Edit one item from both, then read it 📖 again";
    for (const page of [first, second]) await expect(item(page)).toHaveValue(both);
    // Each caret has stayed where its owner types.
    await Promise.all([type(first, "1"), type(second, "2")]);
    const end = "Carefully 🚀: 1Edit one item from both, then read it 📖 again2";
    for (const page of [first, second]) await expect(item(page)).toHaveValue(end);
    await expect(first.locator(".item .who:visible")).toHaveCount(1);
    await stage.picture(first, "together");
  });

  test("items are done, moved and deleted for everybody", async ({ stage }) => {
    const [first, second] = await pair(stage, "todo");
    await first.getByRole("textbox", { name: "Item" }).nth(1).focus();
    await first.keyboard.press("Enter");
    await type(first, "Third");
    await expect
      .poll(() => items(second))
      .toEqual(["Open this list in a second window", "Edit one item from both", "Third"]);
    await second.getByRole("checkbox").nth(2).check();
    await expect(first.getByRole("checkbox").nth(2)).toBeChecked();
    await expect(first.locator(".count")).toHaveText("2 of 3 to do");

    await second.getByRole("button", { name: "Move" }).nth(2).focus();
    await second.keyboard.press("ArrowUp");
    await expect.poll(async () => (await items(first))[1]).toBe("Third");
    const grip = first.getByRole("button", { name: "Move" });
    await grip.nth(1).hover();
    await first.mouse.down();
    const top = await first.locator(".item").first().boundingBox();
    await first.mouse.move((top?.x ?? 0) + 20, (top?.y ?? 0) + 2, { steps: 5 });
    await first.mouse.up();
    await expect.poll(async () => (await items(second))[0]).toBe("Third");
    await stage.picture(second, "moved");

    await first.getByRole("button", { name: "Delete" }).nth(1).click();
    for (const page of [first, second]) {
      await expect.poll(() => items(page)).toEqual(["Third", "Edit one item from both"]);
    }
  });
});

test.describe("editor", () => {
  const lines = (page: Page) =>
    page.locator(".cm-line").evaluateAll((lines) =>
      lines.map((line) => {
        const copy = line.cloneNode(true) as HTMLElement;
        for (const caret of copy.querySelectorAll(".caret")) caret.remove();
        return copy.textContent;
      }),
    );
  /** The text of its line in front of the one remote caret. */
  const beforeCaret = (page: Page) =>
    page.locator(".caret").evaluateAll((carets) => {
      let text = "";
      let node = carets[0]?.previousSibling ?? null;
      for (; node !== null; node = node.previousSibling) text = `${node.textContent}${text}`;
      return text;
    });

  test("two people write at once, and each caret stays with its writer", async ({ stage }) => {
    const [first, second] = await pair(stage, "editor");
    const text = (page: Page) => page.getByRole("textbox", { name: "Text" });
    await text(first).focus();
    await first.keyboard.press("Control+a");
    await first.keyboard.press("Delete");
    await type(first, "alpha\nomega");
    await expect.poll(() => lines(second)).toEqual(["alpha", "omega"]);
    await text(first).focus();
    await first.keyboard.press("Control+Home");
    await text(second).focus();
    await second.keyboard.press("Control+End");
    await Promise.all([
      type(first, "one two three four five six 🚀 "),
      type(second, " seven eight nine ten 📖"),
    ]);
    const both = ["one two three four five six 🚀 alpha", "omega seven eight nine ten 📖"];
    for (const page of [first, second]) await expect.poll(() => lines(page)).toEqual(both);
    await expect.poll(() => beforeCaret(first)).toBe("omega seven eight nine ten 📖");
    await expect.poll(() => beforeCaret(second)).toBe("one two three four five six 🚀 ");
    await stage.picture(first, "together");
    // What is undone is one's own.
    for (let undos = 0; undos < 20; undos++) await second.keyboard.press("Control+z");
    for (const page of [first, second]) {
      await expect.poll(() => lines(page)).toEqual([both[0], "omega"]);
    }
  });

  test("nothing typed is lost, doubled or misplaced while the service dies three times", async ({
    stage,
  }) => {
    const [first, second] = await pair(stage, "editor");
    const text = (page: Page) => page.getByRole("textbox", { name: "Text" });
    await text(first).focus();
    await first.keyboard.press("Control+a");
    await type(first, "\n");
    await expect.poll(() => lines(second)).toEqual(["", ""]);
    await first.keyboard.press("Control+Home");
    await text(second).focus();
    await second.keyboard.press("Control+End");
    stage.expectOutage();
    const written = Array.from({ length: 60 }, (_, at) => `${at}`).join(" ");
    const isTyping = { now: true };
    const typing = Promise.all([
      first.keyboard.type(written, { delay: 60 }),
      second.keyboard.type(written, { delay: 60 }),
    ]).finally(() => {
      isTyping.now = false;
    });
    for (let kills = 0; kills < 3; kills++) {
      for (const page of [first, second]) await connected(page, { isQuiet: !isTyping.now });
      await stage.service.kill();
      await expect(first.locator(".state")).not.toHaveAttribute("data-state", "connected");
      await stage.service.resume();
    }
    await typing;
    for (const page of [first, second]) {
      await connected(page);
      await expect.poll(() => lines(page)).toEqual([written, written]);
    }
  });

  test("a selection over several lines is replaced by a paste with other line ends", async ({
    stage,
  }) => {
    const [first, second] = await pair(stage, "editor");
    await first.getByRole("textbox", { name: "Text" }).focus();
    await first.evaluate(() => navigator.clipboard.writeText("one\r\ntwo\nthree"));
    await first.keyboard.press("Control+a");
    await first.keyboard.press("Control+v");
    for (const page of [first, second]) {
      await expect.poll(() => lines(page)).toEqual(["one", "two", "three"]);
    }
  });
});

test("the presence board shows pointers, writers, reactions, comings and goings", async ({
  stage,
}) => {
  const [first, second] = await pair(stage, "presence");
  const name = (await second.locator(".here .name").first().textContent()) ?? "";
  await expect(first.locator(".log li").first()).toHaveText(`${name} joined`);

  const note = second.locator('[data-spot="thanks"]');
  const there = await note.boundingBox();
  if (there === null) throw new Error("the note is not shown");
  await second.mouse.move(there.x + there.width / 2, there.y + there.height / 2, { steps: 8 });
  const cursor = first.locator(".cursor");
  await expect(cursor).toBeVisible();
  // Both windows have one size, so the pointer is at the same place in both.
  await expect
    .poll(async () => {
      const here = await cursor.boundingBox();
      const dx = Math.abs((here?.x ?? 0) - there.x - there.width / 2);
      const dy = Math.abs((here?.y ?? 0) - there.y - there.height / 2);
      return Math.max(dx, dy);
    })
    .toBeLessThan(12);

  await second.getByRole("textbox", { name: "Thank you" }).fill("To everyone");
  await expect(first.locator('[data-spot="thanks"] .who')).toHaveText(name);
  await expect(first.locator(".here li").nth(1)).toContainText("writes in “Thank you”");

  const love = second.getByRole("button", { name: "Love" });
  await love.click();
  await expect(first.locator('.flying[data-kind="heart"]')).toHaveCount(1);
  await love.click();
  await expect(first.locator(".flying").first()).toBeVisible();
  await first.screenshot({ path: test.info().outputPath("flying.png") });

  await second.close();
  await expect(first.locator(".log li").first()).toHaveText(`${name} left`, { timeout: 2000 });
  await expect(first.locator(".here li")).toHaveCount(1);
  await expect(cursor).toHaveCount(0);
});

test("a document that is not there is said to be so", async ({ stage }) => {
  stage.expectError(/^Failed to load resource: the server responded with a status of 404/);
  stage.expectError(/^%cfluid:telemetry:.*"fileNotFoundOrAccessDeniedError"/); // Fluid's own words
  for (const name of ["todo", "dice"]) {
    const page = await stage.open(`/examples/${name}/#no-such-document`);
    await expect(page.getByRole("alert")).toContainText("no document at this address");
    await expect(page.locator(".state")).toHaveAttribute("data-state", "closed");
    await stage.picture(page, name);
    await page.getByRole("link", { name: "New document" }).click();
    await connected(page);
  }
});
