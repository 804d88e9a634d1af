// One account, for administrators.

import { useState } from "preact/hooks";
import { users } from "../api/calls.ts";
import type { Account, Membership } from "../api/types.ts";
import { go, Link, to } from "../router.tsx";
import { useWho } from "../session.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { useLoad } from "../ui/load.ts";
import { Await, Badge, Button, Empty, Heading, Section, Table, Time } from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";
import { SessionTable } from "./sessions.tsx";

export function UserView({ id }: { readonly id: string }) {
  const loaded = useLoad((signal) => users.show(id, signal), [id]);
  const sessions = useLoad((signal) => users.sessions(id, signal), [id]);
  const user = loaded.value?.user;
  return (
    <>
      <Heading
        above={
          <p class="crumb">
            <Link to="/users">Users</Link>
          </p>
        }
        below={
          user !== undefined && (
            <p class="muted">
              {user.email || "No e-mail"}{" "}
              {user.is_admin && <Badge kind="accent">Administrator</Badge>}{" "}
              {user.is_disabled && <Badge kind="bad">Disabled</Badge>}
            </p>
          )
        }
      >
        {user?.display_name || id}
      </Heading>
      <Await of={loaded}>
        {({ user, memberships }) => (
          <>
            <Facts user={user} />
            <Memberships list={memberships} />
            <Section title="Sessions">
              <Await of={sessions}>
                {(list) => (
                  <SessionTable
                    sessions={list}
                    revoke={async (session) => {
                      await users.revokeSession(id, session);
                      sessions.reload();
                    }}
                  />
                )}
              </Await>
            </Section>
            <Acts
              user={user}
              reload={() => {
                loaded.reload();
                sessions.reload();
              }}
            />
          </>
        )}
      </Await>
    </>
  );
}

function Facts({ user }: { readonly user: Account }) {
  return (
    <dl class="facts card part">
      <div>
        <dt>Id</dt>
        <dd>
          <code>{user.id}</code>
        </dd>
      </div>
      <div>
        <dt>Created</dt>
        <dd>
          <Time ms={user.created_at * 1000} />
        </dd>
      </div>
      <div>
        <dt>GitHub</dt>
        <dd>{user.github_id === null ? "Not linked" : user.github_id}</dd>
      </div>
    </dl>
  );
}

function Memberships({ list }: { readonly list: readonly Membership[] }) {
  return (
    <Section title="Tenants">
      {list.length === 0 ? (
        <Empty>Not a member of any tenant.</Empty>
      ) : (
        <Table label="Tenants of the user" columns={["Tenant", "Role", "Since"]}>
          {list.map((membership) => (
            <tr key={membership.tenant}>
              <th scope="row" data-column="Tenant">
                <Link to={to("tenants", membership.tenant)}>{membership.tenant}</Link>
              </th>
              <td data-column="Role">
                <Badge>{membership.role}</Badge>
              </td>
              <td data-column="Since">
                <Time ms={membership.since_s * 1000} />
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Section>
  );
}

type Act = "admin" | "disable" | "delete";

function Acts({ user, reload }: { readonly user: Account; readonly reload: () => void }) {
  const who = useWho();
  const [asking, setAsking] = useState<Act | undefined>();
  const name = user.display_name || user.email;
  const close = () => setAsking(undefined);
  const changed = (text: string) => {
    say(text);
    reload();
    if (user.id === who.user.id) who.refresh();
  };
  return (
    <Section title="Rights and access" kind="danger">
      <div class="actions">
        <Button onClick={() => setAsking("admin")}>
          {user.is_admin ? "Take administrator rights" : "Make administrator"}
        </Button>
        <Button onClick={() => setAsking("disable")}>
          {user.is_disabled ? "Enable account" : "Disable account"}
        </Button>
        <Button kind="danger" onClick={() => setAsking("delete")}>
          Delete user
        </Button>
      </div>
      {asking === "admin" && (
        <Confirm
          title={
            user.is_admin ? `Take ${name}’s administrator rights?` : `Make ${name} administrator?`
          }
          verb={user.is_admin ? "Take rights" : "Make administrator"}
          isDanger={user.is_admin}
          onClose={close}
          act={async () => {
            await users.change(user.id, { is_admin: !user.is_admin });
            changed(
              user.is_admin
                ? `${name} is no administrator any more.`
                : `${name} is an administrator now.`,
            );
          }}
        >
          <p>Administrators of the service see and change everything here, in every tenant.</p>
        </Confirm>
      )}
      {asking === "disable" && (
        <Confirm
          title={user.is_disabled ? `Enable ${name}’s account?` : `Disable ${name}’s account?`}
          verb={user.is_disabled ? "Enable" : "Disable"}
          isDanger={!user.is_disabled}
          onClose={close}
          act={async () => {
            await users.change(user.id, { is_disabled: !user.is_disabled });
            changed(
              user.is_disabled ? `${name} can sign in again.` : `${name} cannot sign in any more.`,
            );
          }}
        >
          <p>
            {user.is_disabled
              ? "The user can sign in again, with the memberships that there were."
              : "All sessions end, and document tokens that were issued until now are refused."}
          </p>
        </Confirm>
      )}
      {asking === "delete" && (
        <Confirm
          title={`Delete ${name}?`}
          verb="Delete user"
          isDanger
          typed={user.email || user.id}
          onClose={close}
          act={async () => {
            await users.remove(user.id);
            say(`User ${name} deleted.`);
            go("/users", "replace");
          }}
        >
          <p>The account, its sessions and its memberships are gone. Documents are not touched.</p>
        </Confirm>
      )}
    </Section>
  );
}
