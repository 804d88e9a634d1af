import type { IClient } from "@fluidframework/driver-definitions";
import type { LeveeMember } from "./interfaces.ts";

/** What a client may have said of its user: the service passes it on as it came. */
interface ClaimedUser {
  readonly id: string;
  readonly name?: unknown;
  readonly additionalDetails?: unknown;
}

/**
 * The member that a client's user is. A client of another package, or a summarizer, may have named
 * nothing but an id; that must not break the audience of everybody else.
 */
export function createMember(client: IClient): LeveeMember {
  const user: ClaimedUser = client.user;
  return {
    id: user.id,
    name: typeof user.name === "string" ? user.name : user.id,
    connections: [],
    ...(user.additionalDetails === undefined ? {} : { additionalDetails: user.additionalDetails }),
  };
}
