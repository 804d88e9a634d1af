// The frame: who is signed in, the navigation, and the view of the path.

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { auth } from "./api/calls.ts";
import { ApiError, useCsrf, whenSessionEnds } from "./api/client.ts";
import type { Account, SignedIn } from "./api/types.ts";
import { go, href, Link, match, usePath } from "./router.tsx";
import { useWho, WhoContext } from "./session.tsx";
import { Button, Heading, Icon, type IconName } from "./ui/parts.tsx";
import { Sayings } from "./ui/say.tsx";
import { AccountView } from "./views/account.tsx";
import { AuditView } from "./views/audit.tsx";
import { Dashboard } from "./views/dashboard.tsx";
import { AcceptInvite, InviteGate, Register, SetUp, SignIn } from "./views/enter.tsx";
import { TenantView } from "./views/tenant.tsx";
import { NewTenant, Tenants } from "./views/tenants.tsx";
import { UserView } from "./views/user.tsx";
import { Users } from "./views/users.tsx";

type State =
  | { readonly kind: "asking" }
  | { readonly kind: "unreachable"; readonly error: ApiError }
  | { readonly kind: "out"; readonly reason?: string }
  | { readonly kind: "in"; readonly user: Account };

export function App() {
  const [state, setState] = useState<State>({ kind: "asking" });
  const path = usePath();

  const enter = useCallback((entered: SignedIn) => {
    useCsrf(entered.csrf);
    setState({ kind: "in", user: entered.user });
  }, []);
  const leave = useCallback((reason?: string) => {
    useCsrf(undefined);
    setState(reason === undefined ? { kind: "out" } : { kind: "out", reason });
  }, []);
  const ask = useCallback(() => {
    auth.me().then(enter, (error: unknown) => {
      if (error instanceof ApiError && error.status === 401) leave();
      else if (error instanceof ApiError) setState({ kind: "unreachable", error });
      else throw error;
    });
  }, [enter, leave]);

  useEffect(() => {
    whenSessionEnds(() =>
      setState((before) =>
        before.kind === "in"
          ? { kind: "out", reason: "Your session has ended. Please sign in again." }
          : { kind: "out" },
      ),
    );
    ask();
  }, [ask]);

  const user = state.kind === "in" ? state.user : undefined;
  const who = useMemo(
    () => (user === undefined ? undefined : { user, enter, leave: () => leave(), refresh: ask }),
    [user, enter, leave, ask],
  );
  return (
    <>
      {state.kind === "asking" && <p class="gate muted wait">Loading…</p>}
      {state.kind === "unreachable" && (
        <main class="gate" id="main">
          <div class="card gate-card">
            <Heading>Levee</Heading>
            <p class="problem">{state.error.message}</p>
            <Button kind="primary" onClick={ask}>
              Try again
            </Button>
          </div>
        </main>
      )}
      {state.kind === "out" && <Outside path={path} enter={enter} reason={state.reason} />}
      {who !== undefined && (
        <WhoContext.Provider value={who}>
          <Frame path={path}>
            <Inside path={path} />
          </Frame>
        </WhoContext.Provider>
      )}
      <Sayings />
    </>
  );
}

function Outside(props: {
  readonly path: string;
  readonly enter: (entered: SignedIn) => void;
  readonly reason: string | undefined;
}) {
  const { path, enter, reason } = props;
  switch (path) {
    case "/register":
      return <Register enter={enter} />;
    case "/set-up":
      return <SetUp enter={enter} />;
    case "/invite":
      return <InviteGate enter={enter} />;
    default:
      // The path stays: signing in shows what was asked for.
      return <SignIn enter={enter} reason={reason} />;
  }
}

function Inside({ path }: { readonly path: string }) {
  const { user } = useWho();
  const home = user.is_admin ? "/dashboard" : "/tenants";
  const isGate = ["/", "/login", "/register", "/set-up"].includes(path);
  useEffect(() => {
    if (isGate) go(home, "replace");
  }, [isGate, home]);
  if (isGate) return null;
  return <>{view(path, user)}</>;
}

/** What a path shows. Views are keyed by what they are about: another one starts anew. */
function view(path: string, user: Account): ComponentChildren {
  if (path === "/tenants") return <Tenants />;
  if (path === "/account") return <AccountView />;
  if (path === "/invite") return <AcceptInvite />;
  const tenant = tenantOf(path);
  if (tenant !== undefined) {
    return <TenantView key={tenant.id} id={tenant.id} rest={tenant.rest} />;
  }
  if (user.is_admin) {
    if (path === "/dashboard") return <Dashboard />;
    if (path === "/tenants/new") return <NewTenant />;
    if (path === "/users") return <Users />;
    if (path === "/audit") return <AuditView />;
    const shown = match("/users/:user", path);
    if (shown?.user !== undefined) return <UserView key={shown.user} id={shown.user} />;
  }
  return <Nowhere />;
}

function tenantOf(path: string): { id: string; rest: string } | undefined {
  const [, top, id, ...rest] = path.split("/");
  if (top !== "tenants" || id === undefined || id === "new") return undefined;
  const found = match("/tenants/:tenant", `/tenants/${id}`);
  return found?.tenant === undefined ? undefined : { id: found.tenant, rest: rest.join("/") };
}

function Nowhere() {
  return (
    <>
      <Heading>Not found</Heading>
      <p>
        There is no such page, or it is not for you. <Link to="/">Go to the start</Link>
      </p>
    </>
  );
}

interface Place {
  readonly to: string;
  readonly text: string;
  readonly icon: IconName;
  readonly isForAdmins: boolean;
}

const PLACES: readonly Place[] = [
  { to: "/dashboard", text: "Dashboard", icon: "dashboard", isForAdmins: true },
  { to: "/tenants", text: "Tenants", icon: "tenants", isForAdmins: false },
  { to: "/users", text: "Users", icon: "users", isForAdmins: true },
  { to: "/audit", text: "Audit log", icon: "audit", isForAdmins: true },
  { to: "/account", text: "Account", icon: "account", isForAdmins: false },
];

function Frame(props: { readonly path: string; readonly children: ComponentChildren }) {
  const { user } = useWho();
  const isIn = (to: string) => props.path === to || props.path.startsWith(`${to}/`);
  return (
    <div class="frame">
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="side">
        <Link to="/" class="brand">
          <img src={href("/icon.svg")} alt="" width="26" height="26" />
          Levee
        </Link>
        <nav aria-label="Main" class="places">
          <ul>
            {PLACES.filter((place) => user.is_admin || !place.isForAdmins).map((place) => (
              <li key={place.to}>
                <Link to={place.to} aria-current={isIn(place.to) ? "page" : undefined}>
                  <Icon name={place.icon} />
                  <span>{place.text}</span>
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <p class="signed-in muted" title={user.email}>
          {user.display_name}
        </p>
      </header>
      <main id="main" tabIndex={-1}>
        {props.children}
      </main>
    </div>
  );
}
