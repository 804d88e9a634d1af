// A document's operations: the last ones as they come, or the page of history that one asks for.

import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import { type Delta, documents } from "../api/documents.ts";
import { useDoing, usePoll } from "../ui/load.ts";
import { Button, Empty, Form, Problem, Section, TextField, Time } from "../ui/parts.tsx";

const EVERY_MS = 1000;
/** Operations that are shown at once. */
const SHOWN = 50;

interface Props {
  readonly tenant: string;
  readonly document: string;
  /** The last operation. */
  readonly head: number;
}

export function Operations({ tenant, document, head }: Props) {
  const [deltas, setDeltas] = useState<readonly Delta[]>([]);
  const [isPaused, setPaused] = useState(false);
  const [target, setTarget] = useState("");
  const [fault, setFault] = useState<ApiError | undefined>();
  const paging = useDoing();
  const first = deltas[0]?.sequence_number ?? 0;
  const last = deltas.at(-1)?.sequence_number ?? 0;

  usePoll(
    async (signal) => {
      try {
        // What came while nobody looked is passed over: the last ones are shown.
        const from = Math.max(last, head - SHOWN);
        if (from >= head && deltas.length > 0) return;
        const more = await documents.deltas(tenant, document, { from, limit: SHOWN }, signal);
        setDeltas((before) => [...before, ...more.filter(isAfter(before))].slice(-SHOWN));
        setFault(undefined);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setFault(error);
      }
    },
    EVERY_MS,
    !isPaused,
  );

  /** Shows the operations after one, and stays there. */
  const show = (from: number) => {
    setPaused(true);
    return paging.run(async () => {
      const page = await documents.deltas(tenant, document, {
        from: Math.max(0, from),
        limit: SHOWN,
      });
      setDeltas(page);
    });
  };
  return (
    <Section
      title="Operations"
      about={
        isPaused
          ? "Paused."
          : `As they come, the last ${SHOWN}. Pausing or paging holds them still.`
      }
      actions={
        <Button
          icon={isPaused ? "play" : "pause"}
          onClick={() => {
            if (isPaused) setDeltas([]);
            setPaused(!isPaused);
          }}
        >
          {isPaused ? "Follow" : "Pause"}
        </Button>
      }
    >
      <Problem error={fault ?? paging.error} />
      {deltas.length === 0 ? (
        <Empty>{head === 0 ? "No operations yet." : "Loading…"}</Empty>
      ) : (
        <ol class="ops" aria-label="Operations, newest first" reversed>
          {[...deltas].reverse().map((delta) => (
            <Operation key={delta.sequence_number} delta={delta} />
          ))}
        </ol>
      )}
      <nav class="pager" aria-label="History">
        <p class="muted">
          {deltas.length > 0 &&
            `${first.toLocaleString()}–${last.toLocaleString()} of ${head.toLocaleString()}`}
        </p>
        <Form class="goto" label="Go to an operation" onSubmit={() => show(Number(target) - 1)}>
          <TextField
            label="Go to"
            type="number"
            min={1}
            max={Math.max(1, head)}
            required
            value={target}
            onText={setTarget}
          />
          <Button type="submit">Go</Button>
        </Form>
        <Button
          disabled={first <= 1}
          isBusy={paging.isBusy}
          onClick={() => show(first - 1 - SHOWN)}
        >
          Older
        </Button>
        <Button disabled={last >= head} isBusy={paging.isBusy} onClick={() => show(last)}>
          Newer
        </Button>
      </nav>
    </Section>
  );
}

function isAfter(before: readonly Delta[]): (delta: Delta) => boolean {
  const last = before.at(-1)?.sequence_number ?? 0;
  return (delta) => delta.sequence_number > last;
}

function Operation({ delta }: { readonly delta: Delta }) {
  const [isOpen, setOpen] = useState(false);
  const [isDrawn, setDrawn] = useState(false);
  useEffect(() => {
    if (isOpen) setDrawn(true); // large contents are drawn when they are looked at
  }, [isOpen]);
  return (
    <li value={delta.sequence_number}>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span class="op-seq">{delta.sequence_number}</span>
          <span class="op-type">{delta.type}</span>
          <span class="op-text">{delta.contents.replace(/\s+/g, " ").slice(0, 200)}</span>
        </summary>
        {isDrawn && (
          <div class="op-detail">
            <dl class="facts">
              <div>
                <dt>Client</dt>
                <dd>
                  <code>{delta.client_id ?? "the service"}</code>
                </dd>
              </div>
              <div>
                <dt>CSN</dt>
                <dd>{delta.client_sequence_number}</dd>
              </div>
              <div>
                <dt>RSN</dt>
                <dd>{delta.reference_sequence_number}</dd>
              </div>
              <div>
                <dt>MSN</dt>
                <dd>{delta.minimum_sequence_number}</dd>
              </div>
              <div>
                <dt>Time</dt>
                <dd>
                  <Time ms={delta.timestamp} />
                </dd>
              </div>
            </dl>
            {delta.contents !== "" && <Text label="Contents" text={delta.contents} />}
            {delta.metadata !== "" && <Text label="Metadata" text={delta.metadata} />}
          </div>
        )}
      </details>
    </li>
  );
}

/** A long text that scrolls within itself. */
export function Text({ label, text }: { readonly label: string; readonly text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard.
    <section class="long" aria-label={label} tabIndex={0}>
      <pre>{text}</pre>
    </section>
  );
}
