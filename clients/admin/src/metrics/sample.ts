// The service's figures at one moment, and what changes between two moments.

/** Figures by name, each by core or partition. */
export interface Sample {
  /** By this machine's clock, milliseconds. */
  readonly atMs: number;
  readonly values: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** What `GET /api/metrics` answers: every figure of a core, and of each of its partitions. */
export interface Figures {
  readonly cores: readonly (Row & { readonly partitions: readonly Row[] })[];
}

type Row = Readonly<Record<string, unknown>>;

/** Turns an answer into figures by name. */
export function read(figures: Figures, atMs: number): Sample {
  const values = new Map<string, Map<string, number>>();
  const add = (row: Row, label: unknown) => {
    for (const [name, value] of Object.entries(row)) {
      if (typeof value !== "number") continue;
      const known = values.get(name) ?? new Map<string, number>();
      values.set(name, known.set(String(label), value));
    }
  };
  for (const core of figures.cores) {
    add(core, core.core);
    for (const partition of core.partitions) add(partition, partition.partition);
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
  return [...(sample.values.get("sockets")?.keys() ?? [])].sort((a, b) => Number(a) - Number(b));
}

/** How fast something counts, per second. A service that was started anew counts from 0. */
export function rate(before: Sample, now: Sample, value: (sample: Sample) => number): number {
  const seconds = (now.atMs - before.atMs) / 1000;
  return seconds <= 0 ? 0 : Math.max(0, value(now) - value(before)) / seconds;
}
