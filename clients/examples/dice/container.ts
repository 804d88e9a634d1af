// Dice without a client package: Fluid's Loader, its runtime, and `levee-driver` between them and
// the service. This is what `levee-client` does for the other examples.

import {
  ContainerRuntimeFactoryWithDefaultDataStore,
  DataObject,
  DataObjectFactory,
} from "@fluidframework/aqueduct/legacy";
import {
  ConnectionState,
  type createDetachedContainer,
  Loader,
} from "@fluidframework/container-loader/legacy";
import type { IDirectory } from "@fluidframework/map/legacy";
import {
  InsecureLeveeTokenProvider,
  LeveeDocumentServiceFactory,
  LeveeUrlResolver,
} from "levee-driver";
import type { Bar } from "../shared/bar.ts";
import { DEVELOPMENT, idInAddress, showId } from "../shared/document.ts";
import type { User } from "../shared/user.ts";

type Container = Awaited<ReturnType<typeof createDetachedContainer>>;

/** One roll of the die. */
export interface Roll {
  readonly id: string;
  readonly face: number;
  readonly by: User;
  /** When it was rolled, milliseconds since 1970 by the roller's clock. */
  readonly at: number;
}

/** More rolls than these are forgotten, the oldest first. */
const ROLLS_MAX = 60;
const ROLLS = "rolls";

/** The rolls of a document, each under a key of its own: two at once are two. */
export class Dice extends DataObject {
  get #rolls(): IDirectory {
    const rolls = this.root.getSubDirectory(ROLLS);
    if (rolls === undefined) throw new Error("the document has no rolls");
    return rolls;
  }

  /** Every roll that is remembered, the last one first. */
  get rolls(): Roll[] {
    const rolls = [...this.#rolls.values()] as Roll[];
    return rolls.sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
  }

  roll(by: User): void {
    const id = crypto.randomUUID();
    const last = this.rolls[0]?.at ?? 0;
    const at = Math.max(Date.now(), last + 1);
    this.#rolls.set(id, { id, face: 1 + Math.floor(Math.random() * 6), by, at });
    for (const old of this.rolls.slice(ROLLS_MAX)) this.#rolls.delete(old.id);
  }

  /** Calls `listener` after every change, whoever made it. */
  onChange(listener: () => void): void {
    this.root.on("valueChanged", listener);
  }

  protected override async initializingFirstTime(): Promise<void> {
    this.root.createSubDirectory(ROLLS);
  }
}

const codeDetails = { package: "levee-dice" };

/** Opens the document that the page's address names, or makes one. */
export async function openDice(
  bar: Bar,
  user: User,
): Promise<{ dice: Dice; container: Container }> {
  const { tenantId, tenantKey } = DEVELOPMENT;
  const defaultFactory = new DataObjectFactory({ type: "levee-dice", ctor: Dice });
  const fluidExport = new ContainerRuntimeFactoryWithDefaultDataStore({
    defaultFactory,
    registryEntries: [defaultFactory.registryEntry],
  });
  const urlResolver = new LeveeUrlResolver(undefined, location.origin, tenantId);
  const loader = new Loader({
    urlResolver,
    documentServiceFactory: new LeveeDocumentServiceFactory(
      new InsecureLeveeTokenProvider(tenantKey, user, tenantId),
    ),
    codeLoader: { load: async () => ({ module: { fluidExport }, details: codeDetails }) },
    // Without it the audience would not know who this is.
    options: {
      client: {
        details: { capabilities: { interactive: true } },
        permission: [],
        scopes: [],
        user,
        mode: "write",
      },
    },
  });
  const id = idInAddress();
  const container =
    id === undefined
      ? await loader.createDetachedContainer(codeDetails)
      : await loader.resolve(urlResolver.createRequestForDocument(id, tenantId));
  follow(bar, user, container);
  const dice = (await container.getEntryPoint()) as Dice;
  if (id === undefined) {
    await container.attach(urlResolver.createCreateNewRequest(tenantId));
    showId(container.resolvedUrl?.id ?? "");
  }
  return { dice, container };
}

/** Shows the container's connection and people in the bar. */
function follow(bar: Bar, user: User, container: Container): void {
  let wasConnected = false;
  const show = () => {
    const isConnected = container.connectionState === ConnectionState.Connected;
    wasConnected ||= isConnected;
    const { isDirty, closed: isClosed } = container;
    bar.show({ wasConnected, isConnected, isDirty, isClosed });
  };
  for (const event of ["connected", "disconnected", "dirty", "saved"] as const) {
    container.on(event as "connected", show);
  }
  container.on("closed", (error) => {
    show();
    if (error !== undefined) bar.fail(`This document was closed: ${error.message}.`);
  });
  const people = () => {
    const others = new Map<string, User>();
    for (const member of container.audience.getMembers().values()) {
      const { id, name = id } = member.user as Partial<User> & { id: string };
      if (member.details.capabilities.interactive && id !== user.id) others.set(id, { id, name });
    }
    bar.people([user, ...others.values()]);
  };
  container.audience.on("addMember", people);
  container.audience.on("removeMember", people);
  people();
  show();
}
