// Coming in and going.

import { ada, expect, test } from "./stage.ts";

test("signing in shows what was asked for; signing out ends the session", async ({ stage }) => {
  await stage.create(ada, true);
  const page = await stage.open("/users");
  await page.getByLabel("E-mail").fill(ada.email);
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toHaveText("Invalid email or password.");
  await page.getByLabel("Password").fill(ada.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Users" })).toBeFocused();
  await expect(page.getByRole("link", { name: "Ada" })).toBeVisible();

  await page.getByRole("link", { name: "Account" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  expect((await page.request.get("/api/auth/me")).status()).toBe(401);
});
