// A tenant's documents: searched, a page at a time.

import { useState } from "preact/hooks";
import { documents } from "../api/documents.ts";
import { Link, to } from "../router.tsx";
import { useLoad, useSettled } from "../ui/load.ts";
import { Await, Badge, Button, Empty, Search, Table, Time } from "../ui/parts.tsx";

const PAGE_ROWS = 50;
const TYPING_MS = 250;

export function Documents({ tenant }: { readonly tenant: string }) {
  const [search, setSearch] = useState("");
  /** Where the pages up to this one start; the first starts at the beginning. */
  const [starts, setStarts] = useState<readonly (string | undefined)[]>([undefined]);
  const settled = useSettled(search, TYPING_MS);
  const from = starts.at(-1);
  const loaded = useLoad(
    (signal) => documents.list(tenant, { search: settled, from, limit: PAGE_ROWS }, signal),
    [tenant, settled, from],
  );
  return (
    <>
      <Search
        label="Search documents"
        value={search}
        onText={(text) => {
          setSearch(text);
          setStarts([undefined]);
        }}
      />
      <Await of={loaded} absent={<Absent />}>
        {({ rows, next }) => (
          <>
            {rows.length === 0 ? (
              <Empty>
                {settled === "" ? "No documents yet." : "No document has that in its id."}
              </Empty>
            ) : (
              <Table
                label="Documents"
                columns={["Id", "Last operation", "Changed", "Created", "State"]}
              >
                {rows.map((row) => (
                  <tr key={row.id}>
                    <th scope="row" data-column="Id">
                      <Link to={to("tenants", tenant, "documents", row.id)}>{row.id}</Link>
                    </th>
                    <td data-column="Last operation">{row.sequence_number.toLocaleString()}</td>
                    <td data-column="Changed">
                      <Time ms={Date.parse(row.updated_at)} />
                    </td>
                    <td data-column="Created">
                      <Time ms={Date.parse(row.created_at)} />
                    </td>
                    <td data-column="State">
                      {row.session_alive ? (
                        <Badge kind="good">In use</Badge>
                      ) : (
                        <Badge>At rest</Badge>
                      )}
                    </td>
                  </tr>
                ))}
              </Table>
            )}
            <nav class="pager" aria-label="Pages">
              <p class="muted" role="status">
                {rows.length === 0 ? "" : `Page ${starts.length}`}
              </p>
              <Button disabled={starts.length === 1} onClick={() => setStarts(starts.slice(0, -1))}>
                Previous
              </Button>
              <Button disabled={next === undefined} onClick={() => setStarts([...starts, next])}>
                Next
              </Button>
            </nav>
          </>
        )}
      </Await>
    </>
  );
}

/** Said in place of what needs routes that this service does not have. */
export function Absent() {
  return <Empty>This service does not offer its documents to this page.</Empty>;
}
