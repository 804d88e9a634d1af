// Which service the tests drive, and what each one is known to lack.
//
// The suite is written for levee. Tinylicious is the reference it was first proven against: a test
// that both pass says that it is the clients' expectation and not ours. Where the reference itself
// is defective, the test names the capability it needs, and this table says why it cannot have it.

import { test } from "vitest";

export type Target = "levee" | "tinylicious";

export const target: Target = readTarget(process.env.TARGET ?? "levee");

function readTarget(text: string): Target {
  if (text === "levee" || text === "tinylicious") return text;
  throw new Error(`TARGET is "levee" or "tinylicious", not "${text}"`);
}

const lacking = {
  levee: {},
  tinylicious: {
    durability: "keeps ops in memory: a restart falls back to the last summary without a word",
    names: "encodes channel names twice, so spaced and non-ASCII names cannot be loaded",
    discovery: 'has neither the session route nor whole summaries (azure-client "remote")',
    auth: "checks no signature, no expiry and no Authorization header",
    absent: "never answers a write connection to a document that does not exist",
    phoenix: "has no Phoenix Channels wire and no Bearer REST",
    sequencing: "accepts a reference sequence number ahead of the document",
    summaryNack: "answers a summarize op with an unknown handle neither with an ack nor a nack",
    signalTargets: "delivers a targeted signal into another document",
    frames: "closes the socket at a message over 1,000,000 bytes",
    largeBodies: "now and then loses the connection to its own storage route under large bodies",
    bodies: "refuses bodies over 50 MB",
    pollingRefusal: "serves long polling instead of refusing it",
    presenceEvents: "has no server-backed presence",
    goodbye: "does not drain on SIGTERM",
  },
} satisfies Record<Target, Record<string, string>>;

export type Capability = keyof (typeof lacking)["tinylicious"];

/** A test, as `test` of vitest takes it, without what these tests do not use. */
export type Case = (name: string, body: () => Promise<void>, timeoutMs?: number) => void;

export const everywhere: Case = (name, body, timeoutMs) => test(name, { timeout: timeoutMs }, body);

/**
 * A test that needs what not every target has. On a target that lacks one of the capabilities it is
 * skipped, with the reason in its name; levee lacks nothing, so there it always runs.
 */
export function needs(...capabilities: Capability[]): Case {
  const reasons: Partial<Record<Capability, string>> = lacking[target];
  const reason = capabilities.map((name) => reasons[name]).find((text) => text !== undefined);
  if (reason === undefined) return everywhere;
  return (name) => test.skip(`${name} (${target} ${reason})`, () => {});
}
