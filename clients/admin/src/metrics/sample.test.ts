import { describe, expect, it } from "vitest";
import { cores, max, of, rate, readText, sum } from "./sample.ts";

const text = (ops: number) => `# HELP levee_sockets Open sockets.
# TYPE levee_sockets gauge
levee_sockets{core="10"} 2
levee_sockets{core="9"} 3
levee_ops_published_total{core="9"} ${ops}
levee_log_sync_p99_us{partition="0"} 120.5
levee_log_sync_p99_us{partition="1"} 80
levee_uptime_seconds 17
`;

describe("samples", () => {
  it("reads figures by core and by partition", () => {
    const sample = readText(text(40), 1000);
    expect(sum(sample, "levee_sockets")).toBe(5);
    expect(max(sample, "levee_log_sync_p99_us")).toBe(120.5);
    expect(of(sample, "levee_sockets", "10")).toBe(2);
    expect(sum(sample, "levee_uptime_seconds")).toBe(17);
    expect(cores(sample)).toEqual(["9", "10"]);
  });

  it("has nothing of what is not there", () => {
    const sample = readText("", 0);
    expect(cores(sample)).toEqual([]);
    expect([sum(sample, "x"), max(sample, "x"), of(sample, "x", "0")]).toEqual([0, 0, 0]);
  });

  it("counts per second, and from nothing after a restart", () => {
    const read = (sample: ReturnType<typeof readText>) => sum(sample, "levee_ops_published_total");
    const [first, second] = [readText(text(40), 1000), readText(text(100), 3000)];
    expect(rate(first, second, read)).toBe(30);
    expect(rate(second, { ...first, atMs: 4000 }, read)).toBe(0);
    expect(rate(first, first, read)).toBe(0);
  });
});
