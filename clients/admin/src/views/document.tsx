// One document, live: how far it is, who is there, its operations and its versions.

import { useState } from "preact/hooks";
import { type DocumentDetail, documents } from "../api/documents.ts";
import { go, Link, to } from "../router.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { useLoad, usePoll } from "../ui/load.ts";
import { Await, Badge, Button, Empty, Heading, Section, Table, Time } from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";
import { Absent } from "./documents.tsx";
import { Operations } from "./operations.tsx";
import { Versions } from "./versions.tsx";

const EVERY_MS = 1000;

/** `id` is the document's; `manages` is for those who may delete it. */
export function DocumentView(props: {
  readonly tenant: string;
  readonly id: string;
  readonly manages: boolean;
}) {
  const { tenant, id, manages } = props;
  const loaded = useLoad((signal) => documents.show(tenant, id, signal), [tenant, id]);
  const [fresh, setFresh] = useState<DocumentDetail | undefined>();
  const [isDeleting, setDeleting] = useState(false);
  usePoll(
    async (signal) => {
      try {
        setFresh(await documents.show(tenant, id, signal));
      } catch {
        setFresh(undefined); // the first answer stays, and the next one may come
      }
    },
    EVERY_MS,
    loaded.value !== undefined,
  );
  return (
    <>
      <Heading
        above={
          <p class="crumb">
            <Link to="/tenants">Tenants</Link> / <Link to={to("tenants", tenant)}>{tenant}</Link> /{" "}
            <Link to={to("tenants", tenant, "documents")}>Documents</Link>
          </p>
        }
        actions={
          manages &&
          loaded.value !== undefined && (
            <Button kind="danger" onClick={() => setDeleting(true)}>
              Delete document
            </Button>
          )
        }
      >
        {id}
      </Heading>
      <Await of={loaded} absent={<Absent />}>
        {(first) => {
          const detail = fresh ?? first;
          const head = detail.session?.current_sn ?? detail.document.sequence_number;
          return (
            <>
              <Facts detail={detail} />
              <Present detail={detail} />
              <Operations tenant={tenant} document={id} head={head} />
              <Versions tenant={tenant} document={id} />
            </>
          );
        }}
      </Await>
      {isDeleting && (
        <Confirm
          title="Delete this document?"
          verb="Delete document"
          isDanger
          typed={id}
          onClose={() => setDeleting(false)}
          act={async () => {
            await documents.remove(tenant, id);
            say(`Document ${id} deleted.`);
            go(to("tenants", tenant, "documents"), "replace");
          }}
        >
          <p>
            Its operations and versions are gone, and whoever works in it is cut off. This cannot be
            taken back.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Facts({ detail }: { readonly detail: DocumentDetail }) {
  const { document, session } = detail;
  const rows: readonly (readonly [string, string])[] = [
    ["Last operation", (session?.current_sn ?? document.sequence_number).toLocaleString()],
    ["Minimum sequence number", session?.current_msn.toLocaleString() ?? "–"],
    ["Clients", session?.client_count.toLocaleString() ?? "0"],
    ["Operations in memory", session?.history_size.toLocaleString() ?? "0"],
  ];
  return (
    <dl class="facts figures card part">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      <div>
        <dt>Changed</dt>
        <dd>
          <Time ms={Date.parse(document.updated_at)} />
        </dd>
      </div>
      <div>
        <dt>State</dt>
        <dd>{session === null ? <Badge>At rest</Badge> : <Badge kind="good">In use</Badge>}</dd>
      </div>
    </dl>
  );
}

function Present({ detail }: { readonly detail: DocumentDetail }) {
  const session = detail.session;
  if (session === null || session.client_count === 0) {
    return (
      <Section title="Clients">
        <Empty>Nobody is here.</Empty>
      </Section>
    );
  }
  if (session.members === undefined) {
    return (
      <Section title="Clients">
        <ul class="plain-list">
          {session.client_ids.map((client) => (
            <li key={client}>
              <code>{client}</code>
            </li>
          ))}
        </ul>
      </Section>
    );
  }
  return (
    <Section
      title="Clients"
      about="CSN: the last operation that a client sent. RSN: up to where it had read by then."
    >
      <Table label="Clients" columns={["User", "Client", "Mode", "Wire", "CSN", "RSN"]}>
        {session.members.map((member) => (
          <tr key={member.client_id}>
            <th scope="row" data-column="User">
              {member.user || "–"}
            </th>
            <td data-column="Client">
              <code>{member.client_id}</code>
            </td>
            <td data-column="Mode">
              <Badge>{member.mode}</Badge>
            </td>
            <td data-column="Wire">{member.wire}</td>
            <td data-column="CSN">{member.client_sequence_number?.toLocaleString() ?? "–"}</td>
            <td data-column="RSN">{member.reference_sequence_number?.toLocaleString() ?? "–"}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}
