// Who belongs to a tenant, and whom it has invited.

import { useState } from "preact/hooks";
import { tenants } from "../api/calls.ts";
import { type Invite, type Member, type Role, roles } from "../api/types.ts";
import { href } from "../router.tsx";
import { useWho } from "../session.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { useDoing, useLoad } from "../ui/load.ts";
import {
  Await,
  Badge,
  Button,
  Empty,
  Form,
  Once,
  Problem,
  Section,
  Select,
  Table,
  TextField,
  Time,
} from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";

interface Props {
  readonly tenant: string;
  /** Of the reader. */
  readonly role: Role;
}

/** Roles that one of this role may give: no more than their own, and owners are for owners. */
function givable(role: Role): Role[] {
  return roles.filter((given) => role === "owner" || given !== "owner");
}

export function Members({ tenant, role }: Props) {
  const manages = role === "owner" || role === "admin";
  const members = useLoad((signal) => tenants.members(tenant, signal), [tenant]);
  return (
    <>
      <Section
        title="Members"
        about="Viewers read documents; members also write; admins also manage people and keys; owners also secrets and the tenant itself."
      >
        <Await of={members}>
          {(list) => (
            <MemberTable tenant={tenant} role={role} members={list} reload={members.reload} />
          )}
        </Await>
        {manages && <AddMember tenant={tenant} role={role} onAdded={members.reload} />}
      </Section>
      {manages && <Invites tenant={tenant} role={role} />}
    </>
  );
}

function MemberTable(
  props: Props & { readonly members: readonly Member[]; readonly reload: () => void },
) {
  const { tenant, role, members, reload } = props;
  const { user } = useWho();
  const doing = useDoing();
  const [removing, setRemoving] = useState<Member | undefined>();
  const manages = role === "owner" || role === "admin";
  const change = (member: Member, to: Role) =>
    doing.run(async () => {
      try {
        await tenants.setMember(tenant, member.user, to);
        say(`${nameOf(member)} is ${to} now.`);
      } finally {
        reload(); // also puts a refused choice back
      }
    });
  if (members.length === 0) return <Empty>Nobody is a member yet.</Empty>;
  return (
    <>
      <Problem error={doing.error} />
      <Table label="Members" columns={["Name", "E-mail", "Role", "Since", "(Remove)"]}>
        {members.map((member) => {
          const isMovable = manages && (role === "owner" || member.role !== "owner");
          const isSelf = member.user === user.id;
          return (
            <tr key={member.user}>
              <th scope="row" data-column="Name">
                {member.display_name || member.user} {isSelf && <Badge>you</Badge>}
              </th>
              <td data-column="E-mail">{member.email || "–"}</td>
              <td data-column="Role">
                {isMovable ? (
                  <Select
                    label={`Role of ${nameOf(member)}`}
                    isLabelHidden
                    value={member.role}
                    options={givable(role)}
                    disabled={doing.isBusy}
                    onChoose={(to) => change(member, to)}
                  />
                ) : (
                  <Badge>{member.role}</Badge>
                )}
              </td>
              <td data-column="Since">
                <Time ms={member.since_s * 1000} />
              </td>
              <td class="end">
                {(isMovable || isSelf) && (
                  <Button
                    kind="small"
                    aria-label={isSelf ? "Leave this tenant" : `Remove ${nameOf(member)}`}
                    onClick={() => setRemoving(member)}
                  >
                    {isSelf ? "Leave" : "Remove"}
                  </Button>
                )}
              </td>
            </tr>
          );
        })}
      </Table>
      {removing !== undefined && (
        <Confirm
          title={removing.user === user.id ? "Leave this tenant?" : `Remove ${nameOf(removing)}?`}
          verb={removing.user === user.id ? "Leave" : "Remove"}
          isDanger
          onClose={() => setRemoving(undefined)}
          act={async () => {
            await tenants.removeMember(tenant, removing.user);
            say(`${nameOf(removing)} is no member any more.`);
            reload();
          }}
        >
          <p>Document tokens that were issued until now are refused from then on.</p>
        </Confirm>
      )}
    </>
  );
}

function AddMember(props: Props & { readonly onAdded: () => void }) {
  const [email, setEmail] = useState("");
  const [given, setGiven] = useState<Role>("member");
  const doing = useDoing();
  const submit = () =>
    doing.run(async () => {
      await tenants.setMember(props.tenant, email.trim(), given);
      say(`${email} is ${given} now.`);
      setEmail("");
      props.onAdded();
    });
  return (
    <>
      <Form onSubmit={submit} class="form row" label="Add a member">
        <TextField
          label="Add someone who has an account, by e-mail"
          type="email"
          required
          value={email}
          onText={setEmail}
        />
        <Select label="Role" value={given} options={givable(props.role)} onChoose={setGiven} />
        <Button type="submit" isBusy={doing.isBusy}>
          Add member
        </Button>
      </Form>
      <Problem error={doing.error} />
    </>
  );
}

function Invites({ tenant, role }: Props) {
  const invites = useLoad((signal) => tenants.invites(tenant, signal), [tenant]);
  const [email, setEmail] = useState("");
  const [given, setGiven] = useState<Role>("member");
  const [link, setLink] = useState<string | undefined>();
  const [revoking, setRevoking] = useState<Invite | undefined>();
  const doing = useDoing();
  const submit = () =>
    doing.run(async () => {
      const { token } = await tenants.invite(tenant, email.trim() || null, given);
      setLink(`${location.origin}${href("/invite")}#${token}`);
      setEmail("");
      invites.reload();
    });
  return (
    <Section
      title="Invites"
      about="A link that makes someone a member, once, within seven days. The service sends no e-mail: you pass it on."
    >
      <Form onSubmit={submit} class="form row" label="New invite">
        <TextField
          label="For this e-mail only (optional)"
          type="email"
          value={email}
          onText={setEmail}
        />
        <Select label="Role" value={given} options={givable(role)} onChoose={setGiven} />
        <Button type="submit" kind="primary" isBusy={doing.isBusy}>
          Create invite
        </Button>
      </Form>
      <Problem error={doing.error} />
      {link !== undefined && (
        <div role="status">
          <Once label="Invite link" text={link} />
          <p class="hint">It is shown only now: the service keeps no copy.</p>
        </div>
      )}
      <Await of={invites}>
        {(list) =>
          list.length === 0 ? (
            <Empty>No invites yet.</Empty>
          ) : (
            <Table label="Invites" columns={["For", "Role", "State", "Expires", "(Revoke)"]}>
              {[...list]
                .sort((a, b) => b.created_ms - a.created_ms)
                .map((invite) => (
                  <tr key={invite.id}>
                    <th scope="row" data-column="For">
                      {invite.email ?? "Whoever has the link"}
                    </th>
                    <td data-column="Role">
                      <Badge>{invite.role}</Badge>
                    </td>
                    <td data-column="State">
                      <Badge kind={STATES[invite.state]}>{invite.state}</Badge>
                    </td>
                    <td data-column="Expires">
                      <Time ms={invite.expires_ms} />
                    </td>
                    <td class="end">
                      {invite.state === "open" && (
                        <Button
                          kind="small"
                          aria-label={`Revoke the invite for ${invite.email ?? "whoever has the link"}`}
                          onClick={() => setRevoking(invite)}
                        >
                          Revoke
                        </Button>
                      )}
                    </td>
                  </tr>
                ))}
            </Table>
          )
        }
      </Await>
      {revoking !== undefined && (
        <Confirm
          title="Revoke this invite?"
          verb="Revoke invite"
          isDanger
          onClose={() => setRevoking(undefined)}
          act={async () => {
            await tenants.revokeInvite(tenant, revoking.id);
            say("Invite revoked.");
            invites.reload();
          }}
        >
          <p>Its link does nothing from then on.</p>
        </Confirm>
      )}
    </Section>
  );
}

const STATES = { open: "accent", accepted: "good", revoked: undefined } as const;

function nameOf(member: Member): string {
  return member.display_name || member.email || member.user;
}
