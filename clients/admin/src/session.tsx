// Who is signed in, for every view.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Account, SignedIn } from "./api/types.ts";

export interface Who {
  readonly user: Account;
  /** Takes over what a sign-in answered. */
  readonly enter: (entered: SignedIn) => void;
  /** Forgets the session here. */
  readonly leave: () => void;
  /** Asks the service again who this is. */
  readonly refresh: () => void;
}

export const WhoContext = createContext<Who | undefined>(undefined);

/** The user; only below a view that is for those who are signed in. */
export function useWho(): Who {
  const who = useContext(WhoContext);
  if (who === undefined) throw new Error("nobody is signed in");
  return who;
}
