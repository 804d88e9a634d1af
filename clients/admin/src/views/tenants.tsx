// The list of tenants, and a new one.

import { useState } from "preact/hooks";
import { tenants } from "../api/calls.ts";
import { go, Link, to } from "../router.tsx";
import { useWho } from "../session.tsx";
import { useDoing, useLoad } from "../ui/load.ts";
import {
  Await,
  Badge,
  Button,
  Empty,
  Form,
  Heading,
  Pager,
  Problem,
  Search,
  Section,
  Table,
  TextField,
} from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";

const PAGE_ROWS = 50;

export function Tenants() {
  const { user } = useWho();
  const loaded = useLoad(tenants.list, []);
  const [search, setSearch] = useState("");
  const [from, setFrom] = useState(0);
  return (
    <>
      <Heading
        actions={
          user.is_admin && (
            <Button kind="primary" icon="plus" onClick={() => go("/tenants/new")}>
              New tenant
            </Button>
          )
        }
        below={<p class="muted">Each has documents, secrets and members of its own.</p>}
      >
        Tenants
      </Heading>
      <Search
        label="Search tenants"
        value={search}
        onText={(text) => {
          setSearch(text);
          setFrom(0);
        }}
      />
      <Await of={loaded}>
        {(list) => {
          if (list.length === 0) {
            return (
              <Empty>
                {user.is_admin
                  ? "There are no tenants yet."
                  : "You are not a member of a tenant yet. Ask for an invite."}
              </Empty>
            );
          }
          const wanted = search.trim().toLowerCase();
          const found = list.filter((tenant) =>
            `${tenant.name}\n${tenant.id}`.toLowerCase().includes(wanted),
          );
          const page = found.slice(from, from + PAGE_ROWS);
          return (
            <>
              <Table label="Tenants" columns={["Name", "Id", "Your role"]}>
                {page.map((tenant) => (
                  <tr key={tenant.id}>
                    <th scope="row" data-column="Name">
                      <Link to={to("tenants", tenant.id)}>{tenant.name || tenant.id}</Link>
                    </th>
                    <td data-column="Id">
                      <code>{tenant.id}</code>
                    </td>
                    <td data-column="Your role">
                      {tenant.role === null ? (
                        <span class="muted">–</span>
                      ) : (
                        <Badge>{tenant.role}</Badge>
                      )}
                    </td>
                  </tr>
                ))}
              </Table>
              <Pager
                from={from}
                shown={page.length}
                total={found.length}
                size={PAGE_ROWS}
                onFrom={setFrom}
              />
            </>
          );
        }}
      </Await>
    </>
  );
}

export function NewTenant() {
  const [name, setName] = useState("");
  const [id, setId] = useState("");
  const doing = useDoing();
  const submit = () =>
    doing.run(async () => {
      const made = await tenants.create({ name, ...(id === "" ? {} : { id }) });
      say(`Tenant ${made.name} created.`);
      go(to("tenants", made.id));
    });
  return (
    <>
      <Heading above={<Crumb />}>New tenant</Heading>
      <Section title="Name and id">
        <Form onSubmit={submit} label="New tenant">
          <TextField
            label="Name"
            required
            hint="For people. It can be changed later."
            value={name}
            onText={setName}
          />
          <TextField
            label="Id (optional)"
            hint="Part of every document’s address and of every token; it stays. Left empty, a readable one is made up."
            spellcheck={false}
            value={id}
            onText={setId}
          />
          <Problem error={doing.error} />
          <div class="actions">
            <Button type="submit" kind="primary" isBusy={doing.isBusy}>
              Create tenant
            </Button>
            <Button onClick={() => go("/tenants")}>Cancel</Button>
          </div>
        </Form>
      </Section>
    </>
  );
}

function Crumb() {
  return (
    <p class="crumb">
      <Link to="/tenants">Tenants</Link>
    </p>
  );
}
