import { expect, test } from "vitest";
import { Backoff, pause } from "../src/backoff.ts";

test("waits double up to a bound, and half of each is left to chance", () => {
  for (const [random, share] of [
    [0, 0.5],
    [1, 1],
  ] as const) {
    const backoff = new Backoff({ initialMs: 100, maxMs: 1000 }, () => random);
    expect(backoff.delayMs()).toBe(0);
    const waits = Array.from({ length: 6 }, () => {
      backoff.failed();
      return backoff.delayMs();
    });
    expect(waits).toEqual([100, 200, 400, 800, 1000, 1000].map((ms) => ms * share));
    backoff.succeeded();
    expect(backoff.delayMs()).toBe(0);
  }
});

test("many failures do not overflow", () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 1000 }, () => 1);
  for (let i = 0; i < 5000; i++) backoff.failed();
  expect(backoff.delayMs()).toBe(1000);
});

test("a pause ends when it is aborted", async () => {
  const controller = new AbortController();
  const paused = pause(3_600_000, controller.signal);
  controller.abort();
  await paused;
  await pause(3_600_000, controller.signal);
});
