// What is in a version: folders that open, and blobs that are shown.

import { useState } from "preact/hooks";
import { type Blob, documents, type TreeEntry } from "../api/documents.ts";
import { useLoad } from "../ui/load.ts";
import { Await, Button, Empty, Icon } from "../ui/parts.tsx";
import { Text } from "./operations.tsx";

interface Props {
  readonly tenant: string;
  readonly document: string;
  readonly sha: string;
}

export function Tree({ tenant, document, sha }: Props) {
  const loaded = useLoad((signal) => documents.tree(tenant, document, sha, {}, signal), [sha]);
  const [open, setOpen] = useState<string | undefined>();
  return (
    <Await of={loaded}>
      {(entries) =>
        entries.length === 0 ? (
          <Empty>Empty.</Empty>
        ) : (
          <ul class="tree">
            {[...entries].sort(foldersFirst).map((entry) => {
              const isOpen = open === entry.path;
              return (
                <li key={entry.path}>
                  <button
                    type="button"
                    class="entry"
                    aria-expanded={isOpen}
                    onClick={() => setOpen(isOpen ? undefined : entry.path)}
                  >
                    <Icon name={entry.type === "tree" ? "folder" : "file"} />
                    {entry.path}
                  </button>
                  {isOpen &&
                    (entry.type === "tree" ? (
                      <Tree tenant={tenant} document={document} sha={entry.sha} />
                    ) : (
                      <BlobView tenant={tenant} document={document} sha={entry.sha} />
                    ))}
                </li>
              );
            })}
          </ul>
        )
      }
    </Await>
  );
}

function foldersFirst(a: TreeEntry, b: TreeEntry): number {
  return a.type === b.type ? a.path.localeCompare(b.path) : a.type === "tree" ? -1 : 1;
}

/** Characters of a blob that are drawn; there is a button for the rest. */
const DRAWN_CHARS = 20_000;

function BlobView({ tenant, document, sha }: Props) {
  const loaded = useLoad((signal) => documents.blob(tenant, document, sha, signal), [sha]);
  const [isWhole, setWhole] = useState(false);
  return (
    <Await of={loaded}>
      {(blob) => {
        const text = readable(blob);
        return (
          <div class="blob">
            <p class="muted small">
              {blob.size.toLocaleString()} bytes
              {blob.is_text === false && ", not all of it text"} · <code>{sha.slice(0, 8)}</code>
            </p>
            <Text label="Blob" text={isWhole ? text : text.slice(0, DRAWN_CHARS)} />
            {!isWhole && text.length > DRAWN_CHARS && (
              <Button kind="small" onClick={() => setWhole(true)}>
                Show all {text.length.toLocaleString()} characters
              </Button>
            )}
          </div>
        );
      }}
    </Await>
  );
}

/** JSON is indented. */
function readable(blob: Blob): string {
  try {
    return JSON.stringify(JSON.parse(blob.content), null, 2);
  } catch {
    return blob.content;
  }
}
