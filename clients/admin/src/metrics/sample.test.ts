import { describe, expect, it } from "vitest";
import { cores, type Figures, max, of, rate, read, type Sample, sum } from "./sample.ts";

const figures = (ops: number): Figures => ({
  cores: [
    {
      core: 10,
      sockets: 2,
      partitions: [
        { partition: 0, log_sync_p99_us: 120 },
        { partition: 2, log_sync_p99_us: 80 },
      ],
    },
    { core: 9, sockets: 3, ops_published_total: ops, partitions: [] },
  ],
});

describe("samples", () => {
  it("read figures by core and by partition", () => {
    const sample = read(figures(40), 1000);
    expect(sum(sample, "sockets")).toBe(5);
    expect(max(sample, "log_sync_p99_us")).toBe(120);
    expect(of(sample, "sockets", "10")).toBe(2);
    expect(cores(sample)).toEqual(["9", "10"]);
  });

  it("have nothing of what is not there", () => {
    const sample = read({ cores: [] }, 0);
    expect(cores(sample)).toEqual([]);
    expect([sum(sample, "x"), max(sample, "x"), of(sample, "x", "0")]).toEqual([0, 0, 0]);
  });

  it("count per second, and from nothing after a restart", () => {
    const ops = (sample: Sample) => sum(sample, "ops_published_total");
    const [first, second] = [read(figures(40), 1000), read(figures(100), 3000)];
    expect(rate(first, second, ops)).toBe(30);
    expect(rate(second, { ...first, atMs: 4000 }, ops)).toBe(0);
    expect(rate(first, first, ops)).toBe(0);
  });
});
