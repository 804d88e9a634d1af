// How the service does right now: figures of every second, for the last two minutes.

import { useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import { cores, max, of, rate, type Sample, sum } from "../metrics/sample.ts";
import { fetchSample } from "../metrics/source.ts";
import { Chart } from "../ui/chart.tsx";
import { usePoll } from "../ui/load.ts";
import { Badge, Heading, Section, Table } from "../ui/parts.tsx";

const EVERY_MS = 1000;
const KEPT = 120;

export function Dashboard() {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  const [fault, setFault] = useState<string | undefined>();
  usePoll(
    async (signal) => {
      try {
        const sample = await fetchSample(signal);
        setSamples((before) => [...before.slice(-KEPT), sample]);
        setFault(undefined);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setFault(error.message);
      }
    },
    EVERY_MS,
    true,
  );
  const now = samples.at(-1);
  return (
    <>
      <Heading
        below={<p class="muted">Every second, for the last two minutes.</p>}
        actions={now !== undefined && fault === undefined && <State sample={now} />}
      >
        Dashboard
      </Heading>
      <div role="alert" class="alert">
        {fault !== undefined && <p class="problem">{fault} Trying again every second.</p>}
      </div>
      {now === undefined ? (
        fault === undefined && <p class="muted wait">Loading…</p>
      ) : (
        <>
          <Charts samples={samples} />
          <Cores samples={samples} now={now} />
        </>
      )}
    </>
  );
}

/** What needs somebody, if anything does. */
function State({ sample }: { readonly sample: Sample }) {
  const faulty = sum(sample, "partition_faulty");
  const panics = sum(sample, "panics_total");
  if (faulty > 0) return <Badge kind="bad">{count(faulty)} partitions refuse writes</Badge>;
  if (panics > 0) return <Badge kind="warn">{count(panics)} tasks have panicked</Badge>;
  return <Badge kind="good">All is well</Badge>;
}

const total = (name: string) => (sample: Sample) => sum(sample, name);

function Charts({ samples }: { readonly samples: readonly Sample[] }) {
  const level = (read: (sample: Sample) => number) => samples.map(read);
  const speed = (read: (sample: Sample) => number) =>
    samples.slice(1).map((sample, index) => rate(samples[index] ?? sample, sample, read));
  const charts = [
    { label: "Connections", points: level(total("sockets")), format: count },
    { label: "Documents in memory", points: level(total("documents")), format: count },
    {
      label: "Operations per second",
      points: speed(total("ops_published_total")),
      format: count,
    },
    {
      label: "Signals per second",
      points: speed(total("signals_received_total")),
      format: count,
    },
    {
      label: "Deliveries per second",
      points: speed(
        (sample) => sum(sample, "op_deliveries_total") + sum(sample, "signal_deliveries_total"),
      ),
      format: count,
    },
    { label: "Requests per second", points: speed(total("requests_total")), format: count },
    {
      label: "Commit, median",
      points: level((sample) => max(sample, "log_sync_p50_us")),
      format: micros,
    },
    {
      label: "Commit, 99th percentile",
      points: level((sample) => max(sample, "log_sync_p99_us")),
      format: micros,
    },
  ];
  return (
    <section class="charts" aria-label="Figures">
      {charts.map((chart) => (
        <div key={chart.label} class="card">
          <Chart {...chart} size={KEPT} />
        </div>
      ))}
    </section>
  );
}

/** Rates of the table are over this many samples, so that they can be read. */
const SMOOTH = 5;

function Cores(props: { readonly samples: readonly Sample[]; readonly now: Sample }) {
  const { samples, now } = props;
  const before = samples.at(-1 - SMOOTH) ?? samples[0] ?? now;
  return (
    <Section title="Cores" about="Each core has its own documents and connections.">
      <Table
        label="Cores"
        columns={["Core", "Connections", "Documents", "Ops/s", "Requests/s", "Work", "Long turns"]}
      >
        {cores(now).map((core) => {
          const at = (name: string) => of(now, name, core);
          const speed = (name: string) => rate(before, now, (sample) => of(sample, name, core));
          return (
            <tr key={core}>
              <th scope="row" data-column="Core">
                {core}
              </th>
              <td data-column="Connections">{count(at("sockets"))}</td>
              <td data-column="Documents">{count(at("documents"))}</td>
              <td data-column="Ops/s">{count(speed("ops_published_total"))}</td>
              <td data-column="Requests/s">{count(speed("requests_total"))}</td>
              <td data-column="Work">{count(at("work"))}</td>
              <td data-column="Long turns">{count(at("long_turns_total"))}</td>
            </tr>
          );
        })}
      </Table>
    </Section>
  );
}

function count(value: number): string {
  const digits = value < 10 ? 1 : 0;
  return value.toLocaleString(undefined, { maximumFractionDigits: digits });
}

function micros(value: number): string {
  return value < 1000 ? `${Math.round(value)} µs` : `${(value / 1000).toFixed(1)} ms`;
}
