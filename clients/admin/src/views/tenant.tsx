// One tenant: what its pages share, and its overview with secrets and limits.

import { useState } from "preact/hooks";
import { tenants } from "../api/calls.ts";
import { type Limits, limits, type Tenant } from "../api/types.ts";
import { go, Link, match, to } from "../router.tsx";
import { useWho } from "../session.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { useDoing, useLoad } from "../ui/load.ts";
import {
  Await,
  Button,
  Form,
  Heading,
  Problem,
  Secret,
  Section,
  TextField,
  Time,
} from "../ui/parts.tsx";
import { say } from "../ui/say.tsx";
import { ApiKeys } from "./api-keys.tsx";
import { DocumentView } from "./document.tsx";
import { Documents } from "./documents.tsx";
import { Members } from "./members.tsx";

const TABS = [
  { path: "", text: "Overview", isForAdmins: false },
  { path: "documents", text: "Documents", isForAdmins: false },
  { path: "members", text: "Members", isForAdmins: false },
  { path: "api-keys", text: "API keys", isForAdmins: true },
] as const;

/** `rest` is the path below the tenant's. */
export function TenantView({ id, rest }: { readonly id: string; readonly rest: string }) {
  const { user } = useWho();
  const loaded = useLoad((signal) => tenants.show(id, signal), [id]);
  const role = user.is_admin ? "owner" : loaded.value?.role;
  const manages = role === "admin" || role === "owner";
  const document = match("documents/:document", rest)?.document;
  if (document !== undefined) {
    return <DocumentView key={document} tenant={id} id={document} manages={manages} />;
  }
  const tab = TABS.find((tab) => tab.path === rest && (manages || !tab.isForAdmins));
  return (
    <>
      <Heading
        above={
          <p class="crumb">
            <Link to="/tenants">Tenants</Link>
          </p>
        }
        below={<code class="muted">{id}</code>}
      >
        {loaded.value?.name || id}
      </Heading>
      <nav class="tabs" aria-label="Tenant">
        <ul>
          {TABS.filter((tab) => manages || !tab.isForAdmins).map((tab) => (
            <li key={tab.path}>
              <Link
                to={tab.path === "" ? to("tenants", id) : to("tenants", id, tab.path)}
                aria-current={rest === tab.path ? "page" : undefined}
              >
                {tab.text}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <Await of={loaded}>
        {(tenant) => {
          switch (tab?.path) {
            case "":
              return <Overview tenant={tenant} owns={role === "owner"} reload={loaded.reload} />;
            case "documents":
              return <Documents tenant={id} />;
            case "members":
              return <Members tenant={id} role={role ?? "viewer"} />;
            case "api-keys":
              return <ApiKeys tenant={id} />;
            case undefined:
              return <p>There is no such page, or it is not for you.</p>;
          }
        }}
      </Await>
    </>
  );
}

interface PartProps {
  readonly tenant: Tenant;
  readonly reload: () => void;
}

function Overview({ tenant, owns, reload }: PartProps & { readonly owns: boolean }) {
  const { user } = useWho();
  const manages = owns || tenant.role === "admin";
  return (
    <>
      {owns && <Secrets tenant={tenant} reload={reload} />}
      {manages && <Name tenant={tenant} reload={reload} />}
      <LimitsPart tenant={tenant} reload={reload} isChangeable={user.is_admin} />
      <p class="muted small">
        Created <Time ms={tenant.created_at * 1000} />
      </p>
      {owns && <Delete tenant={tenant} />}
    </>
  );
}

function Secrets({ tenant, reload }: PartProps) {
  const [rotating, setRotating] = useState<1 | 2 | undefined>();
  return (
    <Section
      title="Secrets"
      about="Your token service signs document tokens with one of them. Tokens signed with either are accepted."
    >
      <dl class="secrets">
        <dt>Secret 1</dt>
        <dd>
          <Secret label="secret 1" text={tenant.secret1} />
          <Button kind="small" aria-label="Rotate secret 1" onClick={() => setRotating(1)}>
            Rotate
          </Button>
        </dd>
        <dt>Secret 2</dt>
        <dd>
          <Secret label="secret 2" text={tenant.secret2} />
          <Button kind="small" aria-label="Rotate secret 2" onClick={() => setRotating(2)}>
            Rotate
          </Button>
        </dd>
      </dl>
      <details class="explain">
        <summary>Changing secrets without an outage</summary>
        <ol>
          <li>Rotate the secret that your token service does not use.</li>
          <li>Give your token service the new one. Tokens of the other stay good meanwhile.</li>
          <li>When those have expired, rotate the secret that it used before.</li>
        </ol>
      </details>
      {rotating !== undefined && (
        <Confirm
          title={`Rotate secret ${rotating}?`}
          verb={`Rotate secret ${rotating}`}
          isDanger
          onClose={() => setRotating(undefined)}
          act={async () => {
            await tenants.rotate(tenant.id, rotating);
            say(`Secret ${rotating} is a new one now.`);
            reload();
          }}
        >
          <p>
            A new secret {rotating} is made. Tokens that were signed with the old one are refused
            from then on, so be sure that your token service signs with secret{" "}
            {rotating === 1 ? 2 : 1}.
          </p>
        </Confirm>
      )}
    </Section>
  );
}

function Name({ tenant, reload }: PartProps) {
  const [name, setName] = useState(tenant.name);
  const doing = useDoing();
  const submit = () =>
    doing.run(async () => {
      await tenants.change(tenant.id, { name });
      say("Name changed.");
      reload();
    });
  return (
    <Section title="Name">
      <Form onSubmit={submit} class="form row" label="Name">
        <TextField label="Name of the tenant" required value={name} onText={setName} />
        <Button type="submit" isBusy={doing.isBusy} disabled={name === tenant.name}>
          Save name
        </Button>
      </Form>
      <Problem error={doing.error} />
    </Section>
  );
}

const LIMIT_TEXTS: Readonly<Record<keyof Limits, string>> = {
  connections: "Connections at once",
  documents: "Documents",
  ops_per_second: "Operations per second",
  stored_bytes: "Bytes stored",
};

function LimitsPart(props: PartProps & { readonly isChangeable: boolean }) {
  const { tenant, reload } = props;
  const [texts, setTexts] = useState(() => written(tenant.limits));
  const doing = useDoing();
  if (!props.isChangeable) {
    return (
      <Section title="Limits" about="Administrators of the service set them.">
        <dl class="facts">
          {limits.map((limit) => (
            <div key={limit}>
              <dt>{LIMIT_TEXTS[limit]}</dt>
              <dd>{tenant.limits[limit]?.toLocaleString() ?? "No limit"}</dd>
            </div>
          ))}
        </dl>
      </Section>
    );
  }
  const submit = () =>
    doing.run(async () => {
      await tenants.change(tenant.id, { limits: read(texts) });
      say("Limits changed.");
      reload();
    });
  return (
    <Section title="Limits" about="Left empty: no limit.">
      <Form onSubmit={submit} class="form grid" label="Limits">
        {limits.map((limit) => (
          <TextField
            key={limit}
            label={LIMIT_TEXTS[limit]}
            type="number"
            min={0}
            value={texts[limit]}
            onText={(text) => setTexts((before) => ({ ...before, [limit]: text }))}
          />
        ))}
        <div class="actions">
          <Button type="submit" isBusy={doing.isBusy}>
            Save limits
          </Button>
        </div>
      </Form>
      <Problem error={doing.error} />
    </Section>
  );
}

type LimitTexts = Record<keyof Limits, string>;

function written(from: Limits): LimitTexts {
  const text = (limit: keyof Limits) => from[limit]?.toString() ?? "";
  return Object.fromEntries(limits.map((limit) => [limit, text(limit)])) as LimitTexts;
}

function read(texts: LimitTexts): Limits {
  const number = (text: string) => (text.trim() === "" ? null : Number(text));
  return Object.fromEntries(limits.map((limit) => [limit, number(texts[limit])])) as Limits;
}

function Delete({ tenant }: { readonly tenant: Tenant }) {
  const [isAsking, setAsking] = useState(false);
  const name = tenant.name || tenant.id;
  return (
    <Section
      title="Delete tenant"
      kind="danger"
      about="Its tokens are refused from then on; members, invites and API keys are gone. Documents stay stored, out of reach."
      actions={
        <Button kind="danger" onClick={() => setAsking(true)}>
          Delete tenant
        </Button>
      }
    >
      {isAsking && (
        <Confirm
          title={`Delete ${name}?`}
          verb="Delete tenant"
          isDanger
          typed={name}
          onClose={() => setAsking(false)}
          act={async () => {
            await tenants.remove(tenant.id);
            say(`Tenant ${name} deleted.`);
            go("/tenants", "replace");
          }}
        >
          <p>
            Everybody who works in its documents is cut off at once. This cannot be taken back from
            here.
          </p>
        </Confirm>
      )}
    </Section>
  );
}
