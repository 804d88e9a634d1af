// Sessions of a user, and their end.

import { useState } from "preact/hooks";
import type { Session } from "../api/types.ts";
import { Confirm } from "../ui/dialog.tsx";
import { Button, Empty, Table, Time } from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";

const DOORS: Readonly<Record<string, string>> = {
  password: "Password",
  git_hub: "GitHub",
  open_id: "OpenID Connect",
  set_up: "Set-up link",
  command_line: "Command line",
};

export function SessionTable(props: {
  readonly sessions: readonly Session[];
  readonly revoke: (session: string) => Promise<void>;
}) {
  const [ending, setEnding] = useState<Session | undefined>();
  if (props.sessions.length === 0) return <Empty>No sessions.</Empty>;
  const newest = [...props.sessions].sort((a, b) => b.used_ms - a.used_ms);
  return (
    <>
      <Table
        label="Sessions"
        columns={["Program", "Address", "Signed in", "Last used", "Expires", "(End)"]}
      >
        {newest.map((session) => (
          <tr key={session.id}>
            <th scope="row" data-column="Program">
              {programOf(session.agent)}
              <div class="muted small">{DOORS[session.door] ?? session.door}</div>
            </th>
            <td data-column="Address">
              <code>{session.from ?? "–"}</code>
            </td>
            <td data-column="Signed in">
              <Time ms={session.created_ms} />
            </td>
            <td data-column="Last used">
              <Time ms={session.used_ms} />
            </td>
            <td data-column="Expires">
              <Time ms={session.expires_ms} />
            </td>
            <td class="end">
              <Button
                kind="small"
                aria-label={`End the session of ${programOf(session.agent)}`}
                onClick={() => setEnding(session)}
              >
                End
              </Button>
            </td>
          </tr>
        ))}
      </Table>
      {ending !== undefined && (
        <Confirm
          title="End this session?"
          verb="End session"
          isDanger
          onClose={() => setEnding(undefined)}
          act={async () => {
            await props.revoke(ending.id);
            say("Session ended.");
          }}
        >
          <p>
            {programOf(ending.agent)} has to sign in again. If it is the browser that you are in,
            you are signed out.
          </p>
        </Confirm>
      )}
    </>
  );
}

/** Browser and system out of a `User-Agent`, as far as they are easily told. */
export function programOf(agent: string): string {
  if (agent === "") return "Unknown program";
  const browser =
    /Edg\//.exec(agent) !== null
      ? "Edge"
      : /Firefox\//.exec(agent) !== null
        ? "Firefox"
        : /Chrom(e|ium)\//.exec(agent) !== null
          ? "Chromium"
          : /Safari\//.exec(agent) !== null
            ? "Safari"
            : undefined;
  if (browser === undefined) return agent.split(/[\s/(]/)[0] || agent;
  const system = /Android|iPhone|iPad|Windows|Mac OS X|Linux/.exec(agent)?.[0];
  return system === undefined ? browser : `${browser} on ${system.replace(" OS X", "")}`;
}
