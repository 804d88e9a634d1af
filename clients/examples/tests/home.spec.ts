// The service's page, and how it serves the sites in it.

import { examples } from "./examples.ts";
import { expect, test } from "./stage.ts";

test("the page at / leads to every example", async ({ stage }) => {
  const page = await stage.open("/");
  await expect(page.getByRole("heading", { name: "Levee", exact: true })).toBeVisible();
  await expect(page.locator(".paste")).toHaveCount(3);
  const links = await page
    .locator(".tile")
    .evaluateAll((tiles) => tiles.map((tile) => tile.getAttribute("href")));
  expect(links.sort()).toEqual(examples.map(({ name }) => `/examples/${name}/`).sort());
  await stage.picture(page, "home");
  await page.getByRole("link", { name: /Dice/ }).click();
  await expect(page.locator('.state[data-state="connected"]')).toBeVisible();
});

test("nothing is wider than a telephone, in the dark too", async ({ stage }) => {
  const phone = { width: 360, height: 740, colorScheme: "dark" } as const;
  for (const path of ["/", ...examples.map(({ name }) => `/examples/${name}/`)]) {
    const page = await stage.open(path, phone);
    if (path !== "/") await expect(page.locator('.state[data-state="connected"]')).toBeVisible();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, path).toBeLessThanOrEqual(phone.width);
    await stage.picture(page, `phone${path.replaceAll("/", "-")}`);
  }
});

test("pages are asked for again, assets never", async ({ stage, request }) => {
  const url = `${stage.link.url}/examples/todo/`;
  const page = await request.get(url);
  expect(page.headers()["cache-control"]).toBe("no-cache");
  expect(page.headers()["content-security-policy"]).toContain("script-src 'self';");
  const etag = page.headers().etag ?? "";
  const again = await request.get(url, { headers: { "If-None-Match": etag } });
  expect([again.status(), await again.text()]).toEqual([304, ""]);
  const script = /src="(\/examples\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1] ?? "";
  const asset = await request.get(`${stage.link.url}${script}`);
  expect(asset.status()).toBe(200);
  expect(asset.headers()["content-type"]).toBe("text/javascript; charset=utf-8");
  expect(asset.headers()["cache-control"]).toContain("immutable");
});
