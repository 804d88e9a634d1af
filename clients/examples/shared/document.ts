// One document a page: its id is the fragment of the page's address, and a page without one makes
// a new document.

import { ConnectionState, type ContainerSchema, type IFluidContainer } from "fluid-framework";
import { LeveeClient, type LeveeContainerServices } from "levee-client";
import type { Bar } from "./bar.ts";
import type { User } from "./user.ts";

/** An open document. */
export interface Opened<TSchema extends ContainerSchema> {
  readonly container: IFluidContainer<TSchema>;
  readonly services: LeveeContainerServices;
}

/** What the documents of `levee serve --dev` are signed with. A real app asks its own back end. */
export const DEVELOPMENT = { tenantId: "fluid", tenantKey: "dev-tenant-secret-key" } as const;

/** The id in the page's address. */
export function idInAddress(): string | undefined {
  const id = decodeURIComponent(location.hash.slice(1));
  return id === "" ? undefined : id;
}

/** Writes the id into the page's address; another one put there by hand loads the page again. */
export function showId(id: string): void {
  history.replaceState(null, "", `#${encodeURIComponent(id)}`);
}

addEventListener("hashchange", () => location.reload());

/**
 * Opens the document that the page's address names, or makes one with what `fill` puts into it.
 * From then on the bar shows its connection and its people.
 */
export async function openDocument<const TSchema extends ContainerSchema>(
  bar: Bar,
  user: User,
  schema: TSchema,
  fill: (container: IFluidContainer<TSchema>) => void,
): Promise<Opened<TSchema>> {
  const client = new LeveeClient({
    connection: { httpUrl: location.origin, ...DEVELOPMENT, user },
  });
  const id = idInAddress();
  const opened =
    id === undefined
      ? await client.createContainer(schema, "2.100.0")
      : await client.getContainer(id, schema, "2.100.0");
  follow(bar, user, opened);
  if (id === undefined) {
    fill(opened.container);
    showId(await opened.container.attach());
  }
  return opened;
}

function follow(
  bar: Bar,
  user: User,
  { container, services }: { container: IFluidContainer; services: LeveeContainerServices },
): void {
  let wasConnected = false;
  let isClosed = false;
  const show = () => {
    const isConnected = container.connectionState === ConnectionState.Connected;
    wasConnected ||= isConnected;
    bar.show({ wasConnected, isConnected, isDirty: container.isDirty, isClosed });
  };
  for (const event of ["connected", "disconnected", "dirty", "saved"] as const) {
    container.on(event as "connected", show); // all of them are told nothing
  }
  container.on("disposed", (error) => {
    isClosed = true;
    show();
    if (error !== undefined) bar.fail(`This document was closed: ${error.message}.`);
  });
  const people = () => {
    const others = [...services.audience.getMembers().values()];
    bar.people([user, ...others.filter((member) => member.id !== user.id)]);
  };
  services.audience.on("membersChanged", people);
  people();
  show();
}

/** Runs an example, and says in the bar what kept it from starting. */
export function start(bar: Bar, example: () => Promise<void>): void {
  example().catch((error: unknown) => {
    const { message, errorType } = error as { message?: string; errorType?: string };
    if (errorType === "fileNotFoundOrAccessDeniedError") {
      bar.fail("There is no document at this address.");
      return;
    }
    console.error(error);
    bar.fail(`This document cannot be opened: ${message ?? String(error)}.`);
  });
}
