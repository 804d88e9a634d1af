// API keys: with one, a service mints document tokens for its own users.

import { useId, useState } from "preact/hooks";
import { tenants } from "../api/calls.ts";
import { type ApiKey, type Scope, scopes } from "../api/types.ts";
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

const DAY_MS = 86_400_000;
const LIVES = [
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "1 year"],
  ["", "Until revoked"],
] as const;
type Life = (typeof LIVES)[number][0];

export function ApiKeys({ tenant }: { readonly tenant: string }) {
  const keys = useLoad((signal) => tenants.apiKeys(tenant, signal), [tenant]);
  const [revoking, setRevoking] = useState<ApiKey | undefined>();
  return (
    <Section
      title="API keys"
      about="With one, a service of yours asks for document tokens for its own users, with no more than these scopes."
    >
      <NewKey tenant={tenant} onMade={keys.reload} />
      <Await of={keys}>
        {(list) =>
          list.length === 0 ? (
            <Empty>No API keys yet.</Empty>
          ) : (
            <Table label="API keys" columns={["Name", "Scopes", "Created", "Expires", "(Revoke)"]}>
              {list.map((key) => (
                <tr key={key.id}>
                  <th scope="row" data-column="Name">
                    {key.name}
                  </th>
                  <td data-column="Scopes">
                    <span class="badges">
                      {key.scopes.map((scope) => (
                        <Badge key={scope}>{scope}</Badge>
                      ))}
                    </span>
                  </td>
                  <td data-column="Created">
                    <Time ms={key.created_ms} />
                  </td>
                  <td data-column="Expires">
                    {key.expires_ms === null ? "Never" : <Time ms={key.expires_ms} />}
                  </td>
                  <td class="end">
                    <Button
                      kind="small"
                      aria-label={`Revoke ${key.name}`}
                      onClick={() => setRevoking(key)}
                    >
                      Revoke
                    </Button>
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Await>
      {revoking !== undefined && (
        <Confirm
          title={`Revoke ${revoking.name}?`}
          verb="Revoke key"
          isDanger
          onClose={() => setRevoking(undefined)}
          act={async () => {
            await tenants.revokeApiKey(tenant, revoking.id);
            say(`API key ${revoking.name} revoked.`);
            keys.reload();
          }}
        >
          <p>It mints nothing from then on. Tokens that it has minted live on until they expire.</p>
        </Confirm>
      )}
    </Section>
  );
}

function NewKey(props: { readonly tenant: string; readonly onMade: () => void }) {
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<readonly Scope[]>(["doc:read", "doc:write"]);
  const [life, setLife] = useState<Life>("90");
  const [made, setMade] = useState<string | undefined>();
  const doing = useDoing();
  const id = useId();
  const submit = () =>
    doing.run(async () => {
      const { key } = await tenants.createApiKey(props.tenant, {
        name,
        scopes: chosen,
        expires_ms: life === "" ? null : Date.now() + Number(life) * DAY_MS,
      });
      setMade(key);
      setName("");
      props.onMade();
    });
  const toggle = (scope: Scope) =>
    setChosen((before) =>
      before.includes(scope) ? before.filter((had) => had !== scope) : [...before, scope],
    );
  return (
    <>
      <Form onSubmit={submit} class="form row" label="New API key">
        <TextField label="Name" required value={name} onText={setName} />
        <fieldset class="choices">
          <legend>Scopes</legend>
          {scopes.map((scope) => (
            <label key={scope} for={`${id}-${scope}`}>
              <input
                id={`${id}-${scope}`}
                type="checkbox"
                checked={chosen.includes(scope)}
                onChange={() => toggle(scope)}
              />
              {scope}
            </label>
          ))}
        </fieldset>
        <Select label="Good for" value={life} options={LIVES} onChoose={setLife} />
        <Button type="submit" kind="primary" isBusy={doing.isBusy} disabled={chosen.length === 0}>
          Create key
        </Button>
      </Form>
      <Problem error={doing.error} />
      {made !== undefined && (
        <div role="status">
          <Once label="API key" text={made} />
          <p class="hint">It is shown only now: the service keeps no copy.</p>
        </div>
      )}
    </>
  );
}
