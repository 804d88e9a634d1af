// What every test stands on: a service of its own with an administrator, and windows in browser
// contexts of their own, whose consoles stay clean.

import AxeBuilder from "@axe-core/playwright";
import {
  type APIRequestContext,
  type Browser,
  test as base,
  expect,
  type Page,
  type TestInfo,
} from "@playwright/test";
import { Service } from "levee-testkit/service";

const ADMIN_KEY = "the-key-of-the-tests";

/** A person who can sign in. */
export interface Person {
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

export const ada: Person = { email: "ada@example.com", password: "correct horse", name: "Ada" };
export const ben: Person = { email: "ben@example.com", password: "battery staple", name: "Ben" };

/** Chromium prints every answer of 400 and above; the page shows what they mean. */
const REFUSED = /^Failed to load resource: the server responded with a status of 4\d\d /;

export interface WindowOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: "light" | "dark";
}

/** A service and the windows that are open on it. */
export class Stage {
  readonly service: Service;
  readonly #browser: Browser;
  readonly #request: APIRequestContext;
  readonly #info: TestInfo;
  readonly #errors: string[] = [];

  constructor(service: Service, browser: Browser, request: APIRequestContext, info: TestInfo) {
    this.service = service;
    this.#browser = browser;
    this.#request = request;
    this.#info = info;
  }

  /** Opens a path of the page in a new browser context. */
  async open(path: string, options: WindowOptions = {}): Promise<Page> {
    const { width = 1180, height = 800, colorScheme = "light" } = options;
    const context = await this.#browser.newContext({
      baseURL: this.service.url,
      viewport: { width, height },
      colorScheme,
      locale: "en-GB",
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" && !REFUSED.test(message.text())) {
        this.#errors.push(message.text());
      }
    });
    page.on("pageerror", (error) => this.#errors.push(`uncaught: ${error.stack ?? error.message}`));
    await page.goto(`/admin${path}`);
    return page;
  }

  /** Opens a window and signs in. */
  async signIn(who: Person, path = "", options: WindowOptions = {}): Promise<Page> {
    const page = await this.open(path, options);
    await page.getByLabel("E-mail").fill(who.email);
    await page.getByLabel("Password").fill(who.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
    return page;
  }

  /** Asks the API with the admin key. */
  async ask<T>(method: "GET" | "POST" | "PUT" | "PATCH", path: string, body?: unknown): Promise<T> {
    const response = await this.#request.fetch(`${this.service.url}/api/${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
      ...(body === undefined ? {} : { data: body }),
    });
    expect(response.ok(), `${method} ${path}: ${response.status()}`).toBe(true);
    return (await response.json()) as T;
  }

  /** Makes an account, and answers its id. */
  async create(who: Person, isAdmin: boolean): Promise<string> {
    const { user } = await this.ask<{ user: { id: string } }>("POST", "users", {
      email: who.email,
      password: who.password,
      display_name: who.name,
      is_admin: isAdmin,
    });
    return user.id;
  }

  /** Keeps a picture of a window with the test's results. */
  async picture(page: Page, name: string): Promise<void> {
    // Not in the middle of a movement.
    await page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished)));
    await page.screenshot({ path: this.#info.outputPath(`${name}.png`), fullPage: true });
  }

  /** What the consoles of all windows have said that they should not. */
  get errors(): readonly string[] {
    return this.#errors;
  }
}

/** What axe finds wrong with what a window shows: nothing. */
export async function accessible(page: Page, what: string): Promise<void> {
  await page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished)));
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, help, nodes }) => ({
    id,
    help,
    nodes: nodes.map((node) => `${node.html}\n${node.failureSummary}`),
  }));
  expect(found, what).toEqual([]);
}

export const test = base.extend<{ config: string; stage: Stage }>({
  // The text of the service's configuration file.
  config: ["", { option: true }],
  stage: async ({ browser, request, config }, use, info) => {
    process.env.LEVEE_ADMIN_KEY = ADMIN_KEY; // the service inherits it
    const service = await Service.start(config);
    const stage = new Stage(service, browser, request, info);
    await use(stage);
    await Promise.all(browser.contexts().map((context) => context.close()));
    await service.stop();
    expect(stage.errors).toEqual([]);
  },
});

export { expect };
