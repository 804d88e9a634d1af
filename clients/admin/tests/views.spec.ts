// Every view in light, dark and on a telephone: nothing for axe to find, nothing too wide.

import { tenants } from "levee-testkit/service";
import { signToken } from "levee-testkit/tokens";
import { accessible, ada, ben, expect, type Stage, test, type WindowOptions } from "./stage.ts";

const looks: readonly (readonly [string, WindowOptions])[] = [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { colorScheme: "dark", width: 360, height: 740 }],
];

const outside: readonly (readonly [name: string, path: string, heading: string])[] = [
  ["sign-in", "/login", "Sign in"],
  ["register", "/register", "Create an account"],
  ["set-up", "/set-up#set_token", "Set up this service"],
  ["invite", "/invite#inv_token", "You are invited"],
];

const inside: readonly (readonly [name: string, path: string, shown: string])[] = [
  ["dashboard", "/dashboard", "Cores"],
  ["tenants", "/tenants", "Acme"],
  ["new-tenant", "/tenants/new", "Create tenant"],
  ["tenant", "/tenants/acme", "Save limits"],
  ["members", "/tenants/acme/members", "Ben"],
  ["api-keys", "/tenants/acme/api-keys", "billing"],
  ["documents", "/tenants/fluid/documents", "first-draft"],
  ["document", "/tenants/fluid/documents/first-draft", "Versions"],
  ["users", "/users", "Ben"],
  ["audit", "/audit", "Tenant created"],
  ["account", "/account", "Change password"],
  ["nowhere", "/nowhere", "There is no such page"],
];

for (const [look, options] of looks) {
  test(`every view, ${look}`, async ({ stage }) => {
    const ben = await furnish(stage);
    for (const [name, path, heading] of outside) {
      const page = await stage.open(path, options);
      await expect(page.getByRole("heading", { name: heading })).toBeVisible();
      await check(stage, page, `${look}-${name}`);
      await page.context().close();
    }
    const page = await stage.signIn(ada, "", options);
    for (const [name, path, shown] of [
      ...inside,
      ["user", `/users/${ben}`, "Delete user"],
    ] as const) {
      await page.goto(`/admin${path}`);
      await expect(page.getByText(shown).first()).toBeVisible();
      await expect(page.getByText("Loading…")).toHaveCount(0);
      if (name === "dashboard") await expect(page.locator("polyline").first()).toBeVisible();
      if (name === "document") {
        await page.getByRole("button", { name: "Browse version" }).first().click();
        await page.getByRole("button", { name: ".protocol" }).click();
        await page.getByRole("button", { name: "attributes" }).click();
        await expect(page.getByRole("region", { name: "Blob" })).toBeVisible();
      }
      if (name === "audit") await page.getByText("Change", { exact: true }).nth(1).click();
      await check(stage, page, `${look}-${name}`);
    }
    await page.goto("/admin/tenants/acme");
    await page.getByRole("button", { name: "Rotate secret 1" }).click();
    await check(stage, page, `${look}-dialog`);
  });
}

async function check(
  stage: Stage,
  page: Awaited<ReturnType<Stage["open"]>>,
  name: string,
): Promise<void> {
  await accessible(page, name);
  const [inner, width] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(inner, name).toBeLessThanOrEqual(width ?? 0);
  await stage.picture(page, name);
}

/** Something for every view to show. Answers Ben's id. */
async function furnish(stage: Stage): Promise<string> {
  await stage.create(ada, true);
  const id = await stage.create(ben, false);
  await stage.ask("POST", "tenants", { id: "acme", name: "Acme" });
  await stage.ask("PUT", `tenants/acme/members/${ben.email}`, { role: "member" });
  await stage.ask("POST", "tenants/acme/invites", { email: "cy@example.com", role: "viewer" });
  const scopes = ["doc:read", "doc:write"];
  await stage.ask("POST", "tenants/acme/api-keys", { name: "billing", scopes });
  const blob = (content: string) => ({ type: 2, content, encoding: "utf-8" });
  const attributes = { sequenceNumber: 0, minimumSequenceNumber: 0 };
  const made = await fetch(`${stage.service.url}/documents/${tenants.fluid.id}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${signToken(tenants.fluid, "first-draft")}`,
    },
    body: JSON.stringify({
      id: "first-draft",
      sequenceNumber: 0,
      summary: {
        type: 1,
        tree: {
          ".protocol": { type: 1, tree: { attributes: blob(JSON.stringify(attributes)) } },
          ".app": { type: 1, tree: { title: blob("A first draft") } },
        },
      },
    }),
  });
  expect(made.status, await made.text()).toBe(201);
  return id;
}
