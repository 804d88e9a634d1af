// Coming in: signing in, registering, the first administrator's set-up link, and invites.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { auth } from "../api/calls.ts";
import type { SignedIn } from "../api/types.ts";
import { go, href, Link } from "../router.tsx";
import { useDoing, useLoad } from "../ui/load.ts";
import { Button, Form, Heading, Problem, TextField } from "../ui/parts.tsx";

const PASSWORD_CHARS_MIN = 8;
const PROVIDER_TITLES: Readonly<Record<string, string>> = { github: "GitHub" };

interface EnterProps {
  readonly enter: (entered: SignedIn) => void;
}

/** The frame of every view that needs no session. */
function Gate(props: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <main class="gate" id="main">
      <p class="brand">
        <img src={href("/icon.svg")} alt="" width="28" height="28" />
        Levee
      </p>
      <div class="card gate-card">
        <Heading>{props.title}</Heading>
        {props.children}
      </div>
    </main>
  );
}

/** `reason` says why one has to sign in, if it is not plain. */
export function SignIn({ enter, reason }: EnterProps & { readonly reason?: string | undefined }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const doing = useDoing();
  const config = useLoad(auth.config, []);
  const refused = new URLSearchParams(location.search).get("error");
  const submit = () => doing.run(async () => enter(await auth.logIn(email, password)));
  return (
    <Gate title="Sign in">
      {reason !== undefined && <p class="note">{reason}</p>}
      {refused !== null && (
        <p class="problem">
          {refused === "not_authorized"
            ? "That account is not allowed to use this service."
            : "Signing in there did not succeed. Please try again."}
        </p>
      )}
      <Form onSubmit={submit}>
        <TextField
          label="E-mail"
          type="email"
          autocomplete="username"
          required
          value={email}
          onText={setEmail}
        />
        <TextField
          label="Password"
          type="password"
          autocomplete="current-password"
          required
          value={password}
          onText={setPassword}
        />
        <Problem error={doing.error} />
        <Button type="submit" kind="primary" isBusy={doing.isBusy}>
          Sign in
        </Button>
      </Form>
      {config.value !== undefined && config.value.providers.length > 0 && (
        <>
          <p class="or muted">or</p>
          {config.value.providers.map((name) => (
            <a key={name} class="button plain wide" href={`/auth/${encodeURIComponent(name)}`}>
              Continue with {PROVIDER_TITLES[name] ?? name}
            </a>
          ))}
        </>
      )}
      {config.value?.registration === true && (
        <p class="muted">
          New here? <Link to="/register">Create an account</Link>
        </p>
      )}
    </Gate>
  );
}

export function Register({ enter }: EnterProps) {
  const config = useLoad(auth.config, []);
  return (
    <Gate title="Create an account">
      {config.value?.registration === false ? (
        <p>Registration is closed here. Ask an administrator for an invite.</p>
      ) : (
        <ProfileForm
          verb="Create account"
          submit={async (profile) => enter(await auth.register(profile))}
        />
      )}
      <p class="muted">
        Have an account? <Link to="/login">Sign in</Link>
      </p>
    </Gate>
  );
}

export function SetUp({ enter }: EnterProps) {
  const token = useToken();
  return (
    <Gate title="Set up this service">
      {token === "" ? (
        <p>
          This page needs the link that the service printed when it started for the first time. It
          is in its log.
        </p>
      ) : (
        <>
          <p class="muted">This makes the first administrator. The link works once.</p>
          <ProfileForm
            verb="Create administrator"
            submit={async (profile) => {
              enter(await auth.setUp({ ...profile, token }));
              go("/", "replace");
            }}
          />
        </>
      )}
    </Gate>
  );
}

/** An invite, for somebody who is not signed in: with the account they have, or a new one. */
export function InviteGate({ enter }: EnterProps) {
  const token = useToken();
  const [isNew, setNew] = useState(true);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const doing = useDoing();
  const logIn = () =>
    doing.run(async () => {
      // Accepting is the next view's: the address stays that of the invite.
      enter(await auth.logIn(email, password));
    });
  if (token === "") {
    return (
      <Gate title="Invite">
        <p>The link is not whole. Please copy all of it.</p>
      </Gate>
    );
  }
  return (
    <Gate title="You are invited">
      <p class="muted">
        {isNew
          ? "Create an account to join."
          : "Sign in with your account, then accept the invite."}
      </p>
      {isNew ? (
        <ProfileForm
          verb="Create account and join"
          submit={async (profile) => {
            enter(await auth.register({ ...profile, invite: token }));
            go("/tenants", "replace");
          }}
        />
      ) : (
        <Form onSubmit={logIn}>
          <TextField
            label="E-mail"
            type="email"
            autocomplete="username"
            required
            value={email}
            onText={setEmail}
          />
          <TextField
            label="Password"
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onText={setPassword}
          />
          <Problem error={doing.error} />
          <Button type="submit" kind="primary" isBusy={doing.isBusy}>
            Sign in
          </Button>
        </Form>
      )}
      <Button kind="small" onClick={() => setNew(!isNew)}>
        {isNew ? "I have an account" : "I need an account"}
      </Button>
    </Gate>
  );
}

/** An invite, for somebody who is signed in. */
export function AcceptInvite() {
  const token = useToken();
  const doing = useDoing();
  const accept = () =>
    doing.run(async () => {
      const { membership } = await auth.acceptInvite(token);
      go(`/tenants/${encodeURIComponent(membership.tenant)}`, "replace");
    });
  return (
    <>
      <Heading>You are invited</Heading>
      <div class="card part">
        <p>Accept the invite with the account that you are signed in with.</p>
        <Problem error={doing.error} />
        <div class="actions">
          <Button kind="primary" isBusy={doing.isBusy} disabled={token === ""} onClick={accept}>
            Accept invite
          </Button>
        </div>
      </div>
    </>
  );
}

interface Profile {
  readonly email: string;
  readonly password: string;
  readonly display_name: string;
}

function ProfileForm(props: {
  readonly verb: string;
  readonly submit: (profile: Profile) => Promise<void>;
}) {
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const doing = useDoing();
  const submit = () => doing.run(() => props.submit({ email, password, display_name: name }));
  return (
    <Form onSubmit={submit}>
      <TextField
        label="E-mail"
        type="email"
        autocomplete="username"
        required
        value={email}
        onText={setEmail}
      />
      <TextField label="Name" autocomplete="name" value={name} onText={setName} />
      <TextField
        label="Password"
        type="password"
        autocomplete="new-password"
        required
        minLength={PASSWORD_CHARS_MIN}
        hint={`At least ${PASSWORD_CHARS_MIN} characters`}
        value={password}
        onText={setPassword}
      />
      <Problem error={doing.error} />
      <Button type="submit" kind="primary" isBusy={doing.isBusy}>
        {props.verb}
      </Button>
    </Form>
  );
}

/** A token in the part of the address that browsers send nowhere. */
function useToken(): string {
  const [token] = useState(() => location.hash.slice(1));
  return token;
}
