// What every browser test stands on: a service of its own behind a link that can be cut, and
// windows in browser contexts of their own, whose consoles stay clean.

import { test as base, type Browser, expect, type Page, type TestInfo } from "@playwright/test";
import { Link } from "levee-testkit/link";
import { Service } from "levee-testkit/service";

/** What a browser prints of itself when a connection fails. */
const NETWORK_ERRORS = [
  /^Failed to load resource: net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE|INTERNET_DISCONNECTED|NETWORK_CHANGED|SOCKET_NOT_CONNECTED|FAILED)/,
  /^WebSocket connection to 'ws:\/\/127\.0\.0\.1:\d+\/socket\/.*' failed: (Error in connection establishment: net::ERR_|Connection closed before receiving a handshake response|WebSocket is closed before the connection is established|Error during WebSocket handshake: net::ERR_)/,
];

export interface WindowOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: "light" | "dark";
}

/** A service, its link, and the windows that are open on it. */
export class Stage {
  readonly service: Service;
  readonly link: Link;
  readonly #browser: Browser;
  readonly #info: TestInfo;
  readonly #errors: string[] = [];
  readonly #expected: RegExp[] = [];

  constructor(service: Service, link: Link, browser: Browser, info: TestInfo) {
    this.service = service;
    this.link = link;
    this.#browser = browser;
    this.#info = info;
  }

  /** Opens an address of the service in a new browser context. */
  async open(address: string, options: WindowOptions = {}): Promise<Page> {
    const { width = 1180, height = 800, colorScheme = "light" } = options;
    const context = await this.#browser.newContext({
      baseURL: this.link.url,
      viewport: { width, height },
      colorScheme,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") this.#note(message.text());
    });
    page.on("pageerror", (error) => this.#note(`uncaught: ${error.stack ?? error.message}`));
    const response = await page.goto(address);
    // A binary from before the sites were built has none of them.
    expect(response?.status(), `${address} is in the service: make service`).toBe(200);
    return page;
  }

  /** Opens a document of an example, or a new one, and waits until it is connected and stored. */
  async openExample(address: string, options: WindowOptions = {}): Promise<Page> {
    const page = await this.open(address, options);
    await connected(page);
    return page;
  }

  /** From here on the browser may say that it cannot reach the service. Nothing else. */
  expectOutage(): void {
    this.#expected.push(...NETWORK_ERRORS);
  }

  /** From here on the windows may say this, because the test provokes it. */
  expectError(pattern: RegExp): void {
    this.#expected.push(pattern);
  }

  /** Keeps a picture of a window with the test's results. */
  async picture(page: Page, name: string): Promise<void> {
    await page.screenshot({ path: this.#info.outputPath(`${name}.png`), animations: "disabled" });
  }

  /** What the consoles of all windows have said that they should not. */
  get errors(): readonly string[] {
    return this.#errors;
  }

  #note(text: string): void {
    if (!this.#expected.some((pattern) => pattern.test(text))) this.#errors.push(text);
  }
}

/**
 * Waits until a window's document is connected, and everything in it is at the service: unless
 * it cannot be expected to be quiet, because somebody is still at it.
 */
export async function connected(page: Page, { isQuiet = true } = {}): Promise<void> {
  const saved = isQuiet ? '[data-saved="true"]' : "";
  await expect(page.locator(`.state[data-state="connected"]${saved}`)).toBeVisible({
    timeout: 60_000,
  });
  await expect(page).toHaveURL(/#.+/);
}

/** The link that the Share button copies. */
export async function share(page: Page): Promise<string> {
  await page.getByRole("button", { name: "Share" }).click();
  await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
  return page.evaluate(() => navigator.clipboard.readText());
}

export const test = base.extend<{ stage: Stage }>({
  stage: async ({ browser }, use, info) => {
    const service = await Service.start();
    const link = await Link.to(service);
    const stage = new Stage(service, link, browser, info);
    await use(stage);
    await Promise.all(browser.contexts().map((context) => context.close()));
    await link.close();
    await service.stop();
    expect(stage.errors, "the consoles of all windows").toEqual([]);
  },
});

export { expect };
