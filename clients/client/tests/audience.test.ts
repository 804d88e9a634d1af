import type { IClient } from "@fluidframework/driver-definitions";
import { expect, test } from "vitest";
import { createMember } from "../src/audience.ts";

function client(user: object): IClient {
  return {
    details: { capabilities: { interactive: true } },
    permission: [],
    scopes: [],
    user: user as IClient["user"],
    mode: "write",
  };
}

test.each([
  [
    { id: "u", name: "U" },
    { id: "u", name: "U", connections: [] },
  ],
  [{ id: "u" }, { id: "u", name: "u", connections: [] }],
  [
    { id: "u", name: null },
    { id: "u", name: "u", connections: [] },
  ],
  [
    { id: "u", name: "", additionalDetails: { colour: "red" } },
    { id: "u", name: "", connections: [], additionalDetails: { colour: "red" } },
  ],
])("the member of a client whose user is %j", (user, member) => {
  expect(createMember(client(user))).toEqual(member);
});
