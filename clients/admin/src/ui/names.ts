// What users are called, for ids in the audit log. Asked once a page load.

import { useEffect, useState } from "preact/hooks";
import { users } from "../api/calls.ts";

const known = new Map<string, string>();
const asked = new Map<string, Promise<void>>();

/** Names by id, as far as they are known by now. Only administrators may ask. */
export function useNames(ids: readonly string[]): ReadonlyMap<string, string> {
  const [, setRound] = useState(0);
  const key = ids.join("\n");
  useEffect(() => {
    let isHere = true;
    const wanted = key === "" ? [] : key.split("\n");
    for (const id of wanted.filter((id) => !known.has(id))) {
      void ask(id).then(() => {
        if (isHere) setRound((before) => before + 1);
      });
    }
    return () => {
      isHere = false;
    };
  }, [key]);
  return known;
}

function ask(id: string): Promise<void> {
  const before = asked.get(id);
  if (before !== undefined) return before;
  const asking = users.list(id, 0, 1).then(
    ({ users }) => {
      const [user] = users;
      // Deleted users keep their id.
      known.set(id, user === undefined ? id : user.display_name || user.email || id);
    },
    () => {
      asked.delete(id); // another view may try again
    },
  );
  asked.set(id, asking);
  return asking;
}
