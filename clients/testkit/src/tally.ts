// Closes a run with one plain line of counts, for whoever reads the output by machine.

import type { Reporter, TestModule } from "vitest/node";

export class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      // Where a file cannot be read, or what its tests need cannot start, no test of it fails.
      const failed = [...module.children.allTests("failed")];
      if (module.state() === "failed" && failed.length === 0) counts.failed += 1;
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
    }
    const failed = counts.failed + counts.pending;
    console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
  }
}
