// The service's figures at one moment, and what changes between two moments.

/** Figures by name, each by core or partition. */
export interface Sample {
  /** By this machine's clock, milliseconds. */
  readonly atMs: number;
  readonly values: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** Reads the text that Prometheus reads; a line is `name{label="value"} number`. */
export function readText(text: string, atMs: number): Sample {
  const values = new Map<string, Map<string, number>>();
  for (const line of text.split("\n")) {
    const found = /^([a-z][a-z0-9_]*)(?:\{[a-z_]+="([^"]*)"\})? (\S+)$/.exec(line);
    if (found === null) continue;
    const [, name = "", label = "", number] = found;
    const row = values.get(name) ?? new Map<string, number>();
    row.set(label, Number(number));
    values.set(name, row);
  }
  return { atMs, values };
}

/** The figure of one core or partition; 0 for one that is not there. */
export function of(sample: Sample, name: string, label: string): number {
  return sample.values.get(name)?.get(label) ?? 0;
}

/** Over all cores or partitions. */
export function sum(sample: Sample, name: string): number {
  let total = 0;
  for (const value of sample.values.get(name)?.values() ?? []) total += value;
  return total;
}

/** The largest of all cores or partitions. */
export function max(sample: Sample, name: string): number {
  return Math.max(0, ...(sample.values.get(name)?.values() ?? []));
}

/** The cores of a sample, in their order. */
export function cores(sample: Sample): readonly string[] {
  return [...(sample.values.get("levee_sockets")?.keys() ?? [])].sort(
    (a, b) => Number(a) - Number(b),
  );
}

/** How fast something counts, per second. A service that was started anew counts from 0. */
export function rate(before: Sample, now: Sample, read: (sample: Sample) => number): number {
  const seconds = (now.atMs - before.atMs) / 1000;
  return seconds <= 0 ? 0 : Math.max(0, read(now) - read(before)) / seconds;
}
