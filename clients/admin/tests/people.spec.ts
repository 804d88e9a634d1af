// What an operator does with people and tenants, and that the audit log has it all.

import { ada, ben, expect, test } from "./stage.ts";

test("the link of the first start makes the first administrator, once", async ({ stage }) => {
  // The service listens before it has printed everything.
  const link = /\/admin(\/set-up#set_\S+)/;
  await expect.poll(() => stage.service.output).toMatch(link);
  const path = link.exec(stage.service.output)?.[1] ?? "";
  const page = await stage.open(path);
  await page.getByLabel("E-mail").fill(ada.email);
  await page.getByLabel("Name").fill(ada.name);
  await page.getByLabel("Password").fill(ada.password);
  await page.getByRole("button", { name: "Create administrator" }).click();
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible();

  const late = await stage.open(path);
  await late.getByLabel("E-mail").fill(ben.email);
  await late.getByLabel("Password").fill(ben.password);
  await late.getByRole("button", { name: "Create administrator" }).click();
  await expect(late.getByRole("alert")).toHaveText("The set-up link was used or is not known.");
});

test("a tenant's life: made, rotated, shared, deleted, and all of it logged", async ({ stage }) => {
  await stage.create(ada, true);
  const page = await stage.signIn(ada, "/tenants");
  const said = page.locator(".sayings");

  await page.getByRole("button", { name: "New tenant" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Acme");
  await page.getByLabel("Id (optional)").fill("acme");
  await page.getByRole("button", { name: "Create tenant" }).click();
  await expect(page.getByRole("heading", { name: "Acme" })).toBeVisible();

  await page.getByRole("button", { name: "Reveal secret 2" }).click();
  const shown = page.locator(".secret-text").nth(1);
  const before = (await shown.textContent()) ?? "";
  await page.getByRole("button", { name: "Rotate secret 2" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate secret 2" }).click();
  await expect(said).toContainText("Secret 2 is a new one now.");
  await expect(shown).not.toHaveText(before);
  const { tenant } = await stage.ask<{ tenant: { secret2: string } }>("GET", "tenants/acme");
  await expect(shown).toHaveText(tenant.secret2);

  await page.getByLabel("Connections at once").fill("25");
  await page.getByRole("button", { name: "Save limits" }).click();
  await expect(said).toContainText("Limits changed.");

  await page.getByRole("link", { name: "Members" }).click();
  await page.getByLabel("For this e-mail only (optional)").fill(ben.email);
  await page.getByRole("button", { name: "Create invite" }).click();
  const link = await page.getByLabel("Invite link", { exact: true }).inputValue();

  const other = await stage.open(new URL(link).pathname.slice(6) + new URL(link).hash);
  await other.getByLabel("E-mail").fill(ben.email);
  await other.getByLabel("Name").fill(ben.name);
  await other.getByLabel("Password").fill(ben.password);
  await other.getByRole("button", { name: "Create account and join" }).click();
  await other.getByRole("link", { name: "Acme" }).click();
  await expect(other.getByRole("heading", { name: "Acme" })).toBeVisible();
  // What is not for members is not there.
  await expect(other.getByRole("link", { name: "API keys" })).toHaveCount(0);
  await expect(other.getByRole("heading", { name: "Secrets" })).toHaveCount(0);
  await expect(other.getByRole("link", { name: "Users" })).toHaveCount(0);

  await page.reload();
  await page.getByLabel("Role of Ben").selectOption("admin");
  await expect(said).toContainText("Ben is admin now.");
  await other.reload();
  await expect(other.getByRole("link", { name: "API keys" })).toBeVisible();

  await page.getByRole("link", { name: "API keys" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("billing");
  await page.getByRole("button", { name: "Create key" }).click();
  await expect(page.getByLabel("API key", { exact: true })).toHaveValue(/^lvk_/);

  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("button", { name: "Delete tenant" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("button", { name: "Delete tenant" })).toBeDisabled();
  await dialog.getByLabel("Type Acme to confirm").fill("Acme");
  await dialog.getByRole("button", { name: "Delete tenant" }).click();
  await expect(said).toContainText("Tenant Acme deleted.");

  await page.getByRole("link", { name: "Audit log" }).click();
  for (const deed of [
    "Tenant created",
    "Secret rotated",
    "Tenant changed",
    "Invite created",
    "Invite accepted",
    "Member changed",
    "API key created",
    "Tenant deleted",
  ]) {
    await expect(page.getByRole("rowheader", { name: deed, exact: true }).first()).toBeVisible();
  }
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export JSON lines" }).click();
  const stream = await (await saved).createReadStream();
  const text = (await stream.toArray()).join("");
  const deeds = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).deed as string);
  expect(deeds).toContain("secret_rotated");
  expect(text).not.toContain(tenant.secret2);
});

test("users are made, raised, shut out and searched", async ({ stage }) => {
  await stage.create(ada, true);
  const page = await stage.signIn(ada, "/users");
  await page.getByRole("button", { name: "New user" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("E-mail").fill(ben.email);
  await dialog.getByLabel("Name").fill(ben.name);
  await dialog.getByLabel("Password").fill(ben.password);
  await dialog.getByRole("button", { name: "Create user" }).click();
  await expect(page.getByRole("heading", { name: "Ben" })).toBeVisible();

  const other = await stage.signIn(ben);
  await page.getByRole("button", { name: "Make administrator" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make administrator" }).click();
  await expect(page.locator(".heading").getByText("Administrator")).toBeVisible();
  await other.reload();
  await expect(other.getByRole("link", { name: "Users" })).toBeVisible();

  await page.getByRole("button", { name: "Disable account" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await expect(page.locator(".heading").getByText("Disabled")).toBeVisible();
  await other.getByRole("link", { name: "Users" }).click();
  await expect(other.getByText("Your session has ended.")).toBeVisible();

  await page.getByRole("link", { name: "Users" }).first().click();
  await page.getByLabel("Search users").fill("BEN@");
  await expect(page.getByRole("link", { name: "Ada" })).toHaveCount(0);
  await expect(page.getByRole("link", { name: "Ben" })).toBeVisible();
});
