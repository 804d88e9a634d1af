// Who did what, when, from where, and what it was before and after.

import { useEffect, useState } from "preact/hooks";
import { audit, tenants } from "../api/calls.ts";
import { ApiError } from "../api/client.ts";
import type { Actor, AuditEntry } from "../api/types.ts";
import { Link, to } from "../router.tsx";
import { useDoing, useLoad } from "../ui/load.ts";
import { useNames } from "../ui/names.ts";
import { Button, Empty, Heading, Problem, Search, Select, Table, Time } from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";

const PAGE_LINES = 100;
const EXPORT_LINES = 1000;

export function AuditView() {
  const [tenant, setTenant] = useState("");
  const [search, setSearch] = useState("");
  const [lines, setLines] = useState<readonly AuditEntry[]>([]);
  const [isWhole, setWhole] = useState(false);
  const reading = useDoing();
  const exporting = useDoing();
  const list = useLoad(tenants.list, []);
  const newest = useLoad((signal) => audit({ tenant, limit: PAGE_LINES }, signal), [tenant]);
  useEffect(() => {
    if (newest.value === undefined) return;
    setLines(newest.value);
    setWhole(newest.value.length < PAGE_LINES);
  }, [newest.value]);

  const older = () =>
    reading.run(async () => {
      const page = await audit({ tenant, before: lines.at(-1)?.seq, limit: PAGE_LINES });
      setLines((before) => [...before, ...page]);
      setWhole(page.length < PAGE_LINES);
    });
  const save = () =>
    exporting.run(async () => {
      const count = await download(tenant);
      say(`Exported ${count.toLocaleString()} lines.`);
    });
  const wanted = search.trim().toLowerCase();
  const found = lines.filter((line) => JSON.stringify(line).toLowerCase().includes(wanted));
  return (
    <>
      <Heading
        actions={
          <Button isBusy={exporting.isBusy} onClick={save}>
            Export JSON lines
          </Button>
        }
        below={<p class="muted">Every administrative act. Lines are only ever added.</p>}
      >
        Audit log
      </Heading>
      <div class="filters">
        <Search label="Filter the lines below" value={search} onText={setSearch} />
        <Select
          label="Tenant"
          isLabelHidden
          value={tenant}
          options={[
            ["", "All tenants"],
            ...(list.value ?? []).map((row) => [row.id, row.name || row.id] as const),
          ]}
          onChoose={setTenant}
        />
      </div>
      <Problem error={newest.error ?? reading.error ?? exporting.error} />
      {found.length > 0 ? (
        <Table label="Audit log" columns={["When", "Who", "What", "Of what", "From", "(Change)"]}>
          {found.map((line) => (
            <Line key={line.seq} line={line} />
          ))}
        </Table>
      ) : (
        <Empty>{newest.isLoading ? "Loading…" : "No lines."}</Empty>
      )}
      <nav class="pager" aria-label="Pages">
        <p class="muted" role="status">
          {found.length.toLocaleString()} {found.length === 1 ? "line" : "lines"}
          {isWhole ? "" : ", and there are older ones"}
        </p>
        <Button disabled={isWhole} isBusy={reading.isBusy} onClick={older}>
          Load older
        </Button>
      </nav>
    </>
  );
}

function Line({ line }: { readonly line: AuditEntry }) {
  const hasChange = line.before !== null || line.after !== null;
  return (
    <tr>
      <td data-column="When">
        <Time ms={line.at_ms} />
      </td>
      <td data-column="Who">
        <ActorName actor={line.actor} />
      </td>
      <th scope="row" data-column="What">
        {words(line.deed)}
      </th>
      <td data-column="Of what">
        <Subject subject={line.subject} />
        {line.tenant !== null && line.subject !== `tenant/${line.tenant}` && (
          <div class="muted small">
            in <Link to={to("tenants", line.tenant)}>{line.tenant}</Link>
          </div>
        )}
      </td>
      <td data-column="From">
        <code>{line.from ?? "–"}</code>
      </td>
      <td data-column="Change">
        {hasChange && (
          <details class="change">
            <summary>Change</summary>
            <dl>
              {differences(line.before, line.after).map(([name, before, after]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>
                    {before !== undefined && <del>{before}</del>}{" "}
                    {after !== undefined && <ins>{after}</ins>}
                  </dd>
                </div>
              ))}
            </dl>
          </details>
        )}
      </td>
    </tr>
  );
}

const ACTORS = {
  anonymous: "Not signed in",
  admin_key: "Admin key",
  api_key: "API key",
  operator: "Command line",
  service: "The service",
} as const;

function ActorName({ actor }: { readonly actor: Actor }) {
  const names = useNames(actor.kind === "user" && actor.id !== undefined ? [actor.id] : []);
  if (actor.kind !== "user") {
    return (
      <>
        {ACTORS[actor.kind]}
        {actor.id !== undefined && <div class="muted small mono">{actor.id}</div>}
      </>
    );
  }
  const id = actor.id ?? "";
  return <Link to={to("users", id)}>{names.get(id) ?? short(id)}</Link>;
}

function Subject({ subject }: { readonly subject: string }) {
  const slash = subject.indexOf("/");
  const [kind, id] = [subject.slice(0, slash), subject.slice(slash + 1)];
  const names = useNames(kind === "user" ? [id] : []);
  if (kind === "user") return <Link to={to("users", id)}>{names.get(id) ?? short(id)}</Link>;
  if (kind === "tenant") return <Link to={to("tenants", id)}>{id}</Link>;
  return (
    <>
      {words(kind)} <code title={id}>{short(id)}</code>
    </>
  );
}

/** `secret_rotated` → `Secret rotated` */
function words(name: string): string {
  const text = name.replaceAll("_", " ").replace(/^api\b/, "API");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const ID_CHARS = 16;

function short(id: string): string {
  return id.length > ID_CHARS ? `${id.slice(0, ID_CHARS)}…` : id;
}

type Difference = readonly [name: string, before: string | undefined, after: string | undefined];

/** What of two records is not the same. */
export function differences(before: unknown, after: unknown): readonly Difference[] {
  const [old, now] = [record(before), record(after)];
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  return names.flatMap((name): Difference[] => {
    const [was, is] = [text(old[name]), text(now[name])];
    return was === is ? [] : [[name, was, is]];
  });
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (value === null || value === undefined) return {};
  return typeof value === "object" ? (value as Record<string, unknown>) : { value };
}

function text(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Saves the whole log, oldest line first, one JSON object a line. */
async function download(tenant: string): Promise<number> {
  const pages: AuditEntry[][] = [];
  let before: number | undefined;
  for (;;) {
    const page = await audit({ tenant, before, limit: EXPORT_LINES });
    pages.push([...page]);
    const last = page.at(-1);
    if (last === undefined || page.length < EXPORT_LINES) break;
    if (before !== undefined && last.seq >= before) {
      throw new ApiError(0, "page", "The service answers the same lines again.");
    }
    before = last.seq;
  }
  const lines = pages.flat().reverse();
  const blob = new Blob(
    lines.map((line) => `${JSON.stringify(line)}\n`),
    {
      type: "application/jsonl",
    },
  );
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = tenant === "" ? "audit.jsonl" : `audit-${tenant}.jsonl`;
  link.click();
  URL.revokeObjectURL(link.href);
  return lines.length;
}
