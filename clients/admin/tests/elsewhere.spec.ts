// Coming in by another service: GitHub's whole flow, as a browser walks it.

import { Provider } from "levee-testkit/provider";
import { test as base, expect } from "./stage.ts";

const octo = { id: 583, login: "octo", name: "Octo Cat", email: "octo@example.com" };

const test = base.extend<{ provider: Provider }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads what a fixture needs from it
  provider: async ({}, use) => {
    const provider = await Provider.start(octo);
    await use(provider);
    await provider.stop();
  },
  config: async ({ provider }, use) => {
    await use(provider.entry('admin_users = ["octo"]'));
  },
});

test("GitHub signs an administrator in, and no token passes the page", async ({
  stage,
  provider,
}) => {
  const page = await stage.open("/login");
  const visited: string[] = [];
  page.on("request", (request) => visited.push(request.url()));
  await page.getByRole("link", { name: "Continue with GitHub" }).click();
  await expect(page.getByRole("heading", { name: "you are octo" })).toBeVisible();
  await page.getByRole("button", { name: "Authorize" }).click();
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible();
  expect(new URL(page.url()).origin).toBe(stage.service.url);

  const me = await page.evaluate(async () => (await fetch("/api/auth/me")).json());
  expect(me.user).toMatchObject({
    email: octo.email,
    display_name: octo.name,
    github_id: String(octo.id),
    is_admin: true,
  });
  // The page's own scripts see neither the session nor what GitHub gave for it.
  expect(await page.evaluate(() => document.cookie)).toBe("");
  const cookies = await page.context().cookies();
  const session = cookies.find(({ name }) => name === "levee_session");
  expect(session).toMatchObject({ httpOnly: true, sameSite: "Lax" });
  expect(provider.tokens).toHaveLength(1);
  for (const secret of [session?.value ?? "", ...provider.tokens]) {
    expect(visited.filter((url) => url.includes(secret))).toEqual([]);
  }

  // The way back leads nowhere a second time.
  const callback = visited.find((url) => url.includes("/auth/github/callback?")) ?? "";
  const again = await page.request.get(callback, { maxRedirects: 0 });
  expect(again.status()).toBe(401);
});

test("whoever does not agree is not signed in", async ({ stage }) => {
  const page = await stage.open("/login");
  await page.getByRole("link", { name: "Continue with GitHub" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByText("oauth_failed")).toBeVisible();
  expect((await page.request.get("/api/auth/me")).status()).toBe(401);
});
