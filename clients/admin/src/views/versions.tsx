// A document's versions: a line of commits, what is in each, and what is not the same in two.

import { useState } from "preact/hooks";
import { documents, type Summary } from "../api/documents.ts";
import { type Change, compare } from "../ui/compare.ts";
import { useDoing, useLoad } from "../ui/load.ts";
import { Await, Badge, Button, Empty, Problem, Section, Select, Time } from "../ui/parts.tsx";
import { Tree } from "./tree.tsx";

const PAGE_ROWS = 20;
const SHA_CHARS = 8;

interface Props {
  readonly tenant: string;
  readonly document: string;
}

export function Versions({ tenant, document }: Props) {
  const loaded = useLoad(
    (signal) => documents.summaries(tenant, document, { limit: PAGE_ROWS }, signal),
    [tenant, document],
  );
  const [older, setOlder] = useState<readonly Summary[]>([]);
  const [next, setNext] = useState<string | null | undefined>(null); // null: the first page's
  const [open, setOpen] = useState<string | undefined>();
  const reading = useDoing();
  const reload = () => {
    setOlder([]);
    setNext(null);
    loaded.reload();
  };
  return (
    <Section
      title="Versions"
      about="Each summary is a commit: a tree of what the document was then."
      actions={<Button onClick={reload}>Refresh</Button>}
    >
      <Await of={loaded} absent={<Empty>This service does not offer versions.</Empty>}>
        {(first) => {
          const all = [...first.rows, ...older];
          const following = next === null ? first.next : next;
          if (all.length === 0) return <Empty>No version was summarised yet.</Empty>;
          const more = () =>
            reading.run(async () => {
              const page = await documents.summaries(tenant, document, {
                start: following,
                limit: PAGE_ROWS,
              });
              setOlder((before) => [...before, ...page.rows]);
              setNext(page.next);
            });
          return (
            <>
              <ol class="commits">
                {all.map((version, index) => (
                  <Commit
                    key={version.handle}
                    version={version}
                    isNewest={index === 0}
                    isOpen={open === version.handle}
                    onToggle={() => setOpen(open === version.handle ? undefined : version.handle)}
                  >
                    <Tree tenant={tenant} document={document} sha={version.tree_sha} />
                  </Commit>
                ))}
              </ol>
              <Problem error={reading.error} />
              {following !== undefined && (
                <Button isBusy={reading.isBusy} onClick={more}>
                  Load older
                </Button>
              )}
              {all.length > 1 && <Compare tenant={tenant} document={document} versions={all} />}
            </>
          );
        }}
      </Await>
    </Section>
  );
}

function Commit(props: {
  readonly version: Summary;
  readonly isNewest: boolean;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
  readonly children: preact.ComponentChildren;
}) {
  const { version, isOpen } = props;
  const sha = version.handle.slice(0, SHA_CHARS);
  return (
    <li>
      <div class="commit">
        <div>
          <strong>{version.message || "Summary"}</strong>{" "}
          {props.isNewest && <Badge kind="accent">current</Badge>}
          <p class="muted small">
            <code title={version.handle}>{sha}</code> · up to operation{" "}
            {version.sequence_number.toLocaleString()} ·{" "}
            <Time ms={Date.parse(version.created_at)} />
          </p>
        </div>
        <Button
          kind="small"
          aria-expanded={isOpen}
          aria-label={`${isOpen ? "Close" : "Browse"} version ${sha}`}
          onClick={props.onToggle}
        >
          {isOpen ? "Close" : "Browse"}
        </Button>
      </div>
      {isOpen && props.children}
    </li>
  );
}

function Compare(props: Props & { readonly versions: readonly Summary[] }) {
  const { tenant, document, versions } = props;
  const [from, setFrom] = useState(versions[1]?.handle ?? "");
  const [to, setTo] = useState(versions[0]?.handle ?? "");
  const [changes, setChanges] = useState<readonly Change[] | undefined>();
  const doing = useDoing();
  const options = versions.map(
    (version) =>
      [
        version.handle,
        `${version.handle.slice(0, SHA_CHARS)} (operation ${version.sequence_number.toLocaleString()})`,
      ] as const,
  );
  const run = () =>
    doing.run(async () => {
      const tree = (handle: string) => {
        const version = versions.find((version) => version.handle === handle);
        return version === undefined
          ? Promise.resolve([])
          : documents.tree(tenant, document, version.tree_sha, { recursive: 1 });
      };
      const [before, after] = await Promise.all([tree(from), tree(to)]);
      setChanges(compare(before, after));
    });
  return (
    <section class="compare" aria-label="Compare two versions">
      <div class="form row">
        <Select label="Compare" value={from} options={options} onChoose={setFrom} />
        <Select label="with" value={to} options={options} onChoose={setTo} />
        <Button isBusy={doing.isBusy} onClick={run}>
          Compare
        </Button>
      </div>
      <Problem error={doing.error} />
      <div role="status">
        {changes?.length === 0 && <p class="muted">The two are the same.</p>}
        {changes !== undefined && changes.length > 0 && (
          <ul class="changes">
            {changes.map((change) => (
              <li key={change.path}>
                <Badge kind={KINDS[change.kind]}>{change.kind}</Badge> <code>{change.path}</code>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

const KINDS = { added: "good", removed: "bad", changed: "warn" } as const;
