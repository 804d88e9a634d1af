// Accounts: searched, a page at a time; and a new one.

import { useState } from "preact/hooks";
import { users } from "../api/calls.ts";
import { go, Link, to } from "../router.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useDoing, useLoad, useSettled } from "../ui/load.ts";
import {
  Await,
  Badge,
  Button,
  Form,
  Heading,
  Pager,
  Problem,
  Search,
  Table,
  TextField,
  Time,
} from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";

const PAGE_ROWS = 50;
const TYPING_MS = 250;

export function Users() {
  const [search, setSearch] = useState("");
  const [from, setFrom] = useState(0);
  const [isNew, setNew] = useState(false);
  const settled = useSettled(search, TYPING_MS);
  const loaded = useLoad((signal) => users.list(settled, from, PAGE_ROWS, signal), [settled, from]);
  return (
    <>
      <Heading
        actions={
          <Button kind="primary" icon="plus" onClick={() => setNew(true)}>
            New user
          </Button>
        }
        below={<p class="muted">Everybody who can sign in here.</p>}
      >
        Users
      </Heading>
      <Search
        label="Search users"
        value={search}
        onText={(text) => {
          setSearch(text);
          setFrom(0);
        }}
      />
      <Await of={loaded}>
        {({ users: page, total }) => (
          <>
            {page.length > 0 && (
              <Table label="Users" columns={["Name", "E-mail", "State", "Created"]}>
                {page.map((user) => (
                  <tr key={user.id}>
                    <th scope="row" data-column="Name">
                      <Link to={to("users", user.id)}>{user.display_name || user.id}</Link>
                    </th>
                    <td data-column="E-mail">{user.email || "–"}</td>
                    <td data-column="State">
                      <span class="badges">
                        {user.is_admin && <Badge kind="accent">Administrator</Badge>}
                        {user.is_disabled && <Badge kind="bad">Disabled</Badge>}
                        {!user.is_admin && !user.is_disabled && <Badge>User</Badge>}
                      </span>
                    </td>
                    <td data-column="Created">
                      <Time ms={user.created_at * 1000} />
                    </td>
                  </tr>
                ))}
              </Table>
            )}
            <Pager
              from={from}
              shown={page.length}
              total={total}
              size={PAGE_ROWS}
              onFrom={setFrom}
            />
          </>
        )}
      </Await>
      {isNew && <NewUser onClose={() => setNew(false)} />}
    </>
  );
}

function NewUser({ onClose }: { readonly onClose: () => void }) {
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [isAdmin, setAdmin] = useState(false);
  const doing = useDoing();
  const submit = () =>
    doing.run(async () => {
      const made = await users.create({ email, password, display_name: name, is_admin: isAdmin });
      say(`User ${made.display_name} created.`);
      go(to("users", made.id));
    });
  return (
    <Dialog title="New user" onClose={onClose}>
      <Form onSubmit={submit}>
        <TextField label="E-mail" type="email" required value={email} onText={setEmail} />
        <TextField label="Name" value={name} onText={setName} />
        <TextField
          label="Password"
          type="password"
          autocomplete="new-password"
          required
          minLength={8}
          hint="At least 8 characters. The user can change it."
          value={password}
          onText={setPassword}
        />
        <label class="choice">
          <input type="checkbox" checked={isAdmin} onChange={() => setAdmin(!isAdmin)} />
          Administrator of the service
        </label>
        <Problem error={doing.error} />
        <div class="dialog-buttons">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" isBusy={doing.isBusy}>
            Create user
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
