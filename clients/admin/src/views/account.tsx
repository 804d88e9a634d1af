// One's own account: password, sessions, signing out.

import { useState } from "preact/hooks";
import { auth } from "../api/calls.ts";
import { useWho } from "../session.tsx";
import { useDoing, useLoad } from "../ui/load.ts";
import { Await, Badge, Button, Form, Heading, Problem, Section, TextField } from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";
import { SessionTable } from "./sessions.tsx";

export function AccountView() {
  const { user, leave } = useWho();
  const leaving = useDoing();
  const sessions = useLoad(auth.sessions, []);
  const logOut = () =>
    leaving.run(async () => {
      await auth.logOut();
      leave();
    });
  return (
    <>
      <Heading
        actions={
          <Button isBusy={leaving.isBusy} onClick={logOut}>
            Sign out
          </Button>
        }
        below={
          <p class="muted">
            {user.email || "No e-mail"}{" "}
            {user.is_admin && <Badge kind="accent">Administrator</Badge>}
          </p>
        }
      >
        {user.display_name || "Account"}
      </Heading>
      <Problem error={leaving.error} />
      <PasswordSection onChanged={sessions.reload} />
      <Section
        title="Sessions"
        about="Browsers and programs that are signed in as you. End those that you do not know."
      >
        <Await of={sessions}>
          {(list) => (
            <SessionTable
              sessions={list}
              revoke={async (session) => {
                await auth.revokeSession(session);
                sessions.reload();
              }}
            />
          )}
        </Await>
      </Section>
    </>
  );
}

function PasswordSection({ onChanged }: { readonly onChanged: () => void }) {
  const [current, setCurrent] = useState("");
  const [fresh, setFresh] = useState("");
  const doing = useDoing();
  const submit = () =>
    doing.run(async () => {
      await auth.changePassword(current, fresh);
      setCurrent("");
      setFresh("");
      say("Password changed. Your other sessions have ended.");
      onChanged();
    });
  return (
    <Section title="Password" about="Changing it ends your other sessions.">
      <Form onSubmit={submit} class="form row" label="Change password">
        <TextField
          label="Current password"
          type="password"
          autocomplete="current-password"
          required
          value={current}
          onText={setCurrent}
        />
        <TextField
          label="New password"
          type="password"
          autocomplete="new-password"
          required
          minLength={8}
          value={fresh}
          onText={setFresh}
        />
        <Button type="submit" kind="primary" isBusy={doing.isBusy}>
          Change password
        </Button>
      </Form>
      <Problem error={doing.error} />
    </Section>
  );
}
