// Each example as a test sees it: how to edit its document, and what the document holds.

import type { Page } from "@playwright/test";

export interface Example {
  readonly name: string;
  /** Makes an edit that can be told from all others, and answers what `read` then has in it. */
  edit(page: Page, mark: string): Promise<string>;
  /** What the window shows of the document. */
  read(page: Page): Promise<string>;
  /** Does something that other windows are shown at once. */
  act(page: Page): Promise<void>;
  /** Selects what `act` shows in another window. */
  readonly acted: string;
}

const todo: Example = {
  name: "todo",
  async edit(page, mark) {
    await page.getByRole("textbox", { name: "Add an item" }).fill(mark);
    await page.getByRole("button", { name: "Add" }).click();
    return mark;
  },
  read: (page) =>
    page
      .locator(".item .words, .title")
      .evaluateAll((fields) =>
        JSON.stringify(fields.map((field) => (field as HTMLInputElement).value)),
      ),
  act: (page) => page.getByRole("textbox", { name: "Item" }).first().focus(),
  acted: ".item .who:visible",
};

const editor: Example = {
  name: "editor",
  async edit(page, mark) {
    const text = page.getByRole("textbox", { name: "Text" });
    await text.focus();
    await page.keyboard.press("Control+End");
    await page.keyboard.insertText(` ${mark}`);
    return mark;
  },
  read: (page) =>
    page.locator(".cm-line").evaluateAll((lines) =>
      lines
        .map((line) => {
          const copy = line.cloneNode(true) as HTMLElement;
          for (const caret of copy.querySelectorAll(".caret")) caret.remove();
          return copy.textContent;
        })
        .join("\n"),
    ),
  async act(page) {
    await page.getByRole("textbox", { name: "Text" }).focus();
    await page.keyboard.press("Control+Home");
    await page.keyboard.press("Shift+End");
  },
  acted: ".caret",
};

const presence: Example = {
  name: "presence",
  async edit(page, mark) {
    const note = page.getByRole("textbox", { name: "Went well" });
    await note.focus();
    await page.keyboard.press("Control+End");
    await page.keyboard.insertText(`${mark} `);
    return mark;
  },
  read: (page) =>
    page
      .locator("textarea")
      .evaluateAll((fields) =>
        JSON.stringify(fields.map((field) => (field as HTMLTextAreaElement).value)),
      ),
  act: (page) => page.getByRole("textbox", { name: "Try next" }).hover(),
  acted: ".cursor:visible",
};

const dice: Example = {
  name: "dice",
  async edit(page) {
    const before = await rolls(page);
    await page.getByRole("button", { name: "Roll" }).click();
    const after = await rolls(page);
    const made = after.find((roll) => !before.includes(roll));
    if (made === undefined) throw new Error("the roll is not shown");
    return made;
  },
  read: async (page) => JSON.stringify(await rolls(page)),
  act: async () => {},
  acted: ".face",
};

function rolls(page: Page): Promise<string[]> {
  return page
    .locator(".rolls li")
    .evaluateAll((rows) =>
      rows.map((row) => `${row.getAttribute("data-id")}=${row.getAttribute("data-face")}`),
    );
}

export const examples: readonly Example[] = [todo, editor, presence, dice];
