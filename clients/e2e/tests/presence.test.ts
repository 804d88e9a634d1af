// Presence over signals: attendees, their states, and that leaving is noticed.

import { StateFactory } from "@fluidframework/presence/beta";
import { getPresence } from "fluid-framework/beta";
import { Service } from "levee-testkit/service";
import { type Case, everywhere, needs } from "levee-testkit/target";
import { until } from "levee-testkit/wait";
import { afterAll, beforeAll, expect } from "vitest";
import { type App, azureLocalOpener, azureRemoteOpener, type Opener } from "../src/app.ts";

let service: Service;
beforeAll(async () => {
  service = await Service.start();
});
afterAll(() => service.stop());

const forms: readonly [string, Case, (service: Service) => Opener][] = [
  ["azure-client local", everywhere, azureLocalOpener],
  ["azure-client remote", needs("discovery"), azureRemoteOpener],
];

for (const [name, test, opener] of forms) {
  test(`presence (${name}): states reach the others, and leaving is noticed`, async () => {
    const { app: first, attach } = await opener(service).create();
    const second = await opener(service).load(await attach());
    const [mine, theirs] = [first, second].map(present);
    if (mine === undefined || theirs === undefined) throw new Error("unreachable: two apps");
    await until(() => [mine, theirs].every((one) => one.connected().length === 2), {
      what: "two attendees seen by both",
      seen: () => [mine, theirs].map((one) => one.connected()),
    });

    mine.cursor.local = { x: 3, y: 4 };
    await until(() => JSON.stringify(theirs.cursorOf(mine.attendeeId)) === '{"x":3,"y":4}', {
      what: "the cursor of the first at the second",
      seen: () => theirs.cursorOf(mine.attendeeId),
    });
    theirs.cursor.local = { x: 5, y: 6 };
    await until(() => JSON.stringify(mine.cursorOf(theirs.attendeeId)) === '{"x":5,"y":6}', {
      what: "the cursor of the second at the first",
      seen: () => mine.cursorOf(theirs.attendeeId),
    });

    first.container.dispose();
    await until(() => theirs.connected().length === 1, { what: "the first one’s leave" });
    expect(theirs.connected()).toEqual([theirs.attendeeId]);
    second.container.dispose();
  });
}

/** What presence shows to one app. */
function present(app: App) {
  const presence = getPresence(app.container);
  // The factory's package is some minor versions behind the clients', so its types are its own.
  const cursor = StateFactory.latest({ local: { x: 0, y: 0 } }) as never;
  const state: Cursor = presence.states.getWorkspace("e2e:cursors", { cursor }).states.cursor;
  return {
    attendeeId: presence.attendees.getMyself().attendeeId as string,
    cursor: state,
    connected: () =>
      [...presence.attendees.getAttendees()]
        .filter((attendee) => attendee.getConnectionStatus() === "Connected")
        .map((attendee) => attendee.attendeeId as string),
    cursorOf(attendeeId: string): unknown {
      for (const { attendee, value } of state.getRemotes()) {
        if (attendee.attendeeId === attendeeId)
          return typeof value === "function" ? value() : value;
      }
      return undefined;
    },
  };
}

interface Cursor {
  local: { x: number; y: number };
  getRemotes(): Iterable<{ attendee: { attendeeId: string }; value: unknown }>;
}
