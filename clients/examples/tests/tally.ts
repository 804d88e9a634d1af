// Closes a run with one plain line of counts, as `levee-testkit` does for Vitest.

import type { FullResult, Reporter, Suite, TestError } from "@playwright/test/reporter";

export default class Tally implements Reporter {
  #suite: Suite | undefined;
  #errors = 0;

  onBegin(_config: unknown, suite: Suite): void {
    this.#suite = suite;
  }

  onError(_error: TestError): void {
    this.#errors += 1;
  }

  onEnd(_result: FullResult): void {
    const counts = { passed: 0, failed: this.#errors, skipped: 0 };
    for (const test of this.#suite?.allTests() ?? []) {
      const outcome = test.outcome();
      if (outcome === "expected") counts.passed += 1;
      else if (outcome === "skipped" && test.expectedStatus === "skipped") counts.skipped += 1;
      else counts.failed += 1; // a test that was not reached has not passed
    }
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }

  printsToStdio(): boolean {
    return false;
  }
}
