// One small collaborative app on the official service clients, opened in each form they have.

import {
  AzureClient,
  type AzureContainerVersion,
  type AzureMember,
} from "@fluidframework/azure-client";
import { TinyliciousClient, type TinyliciousMember } from "@fluidframework/tinylicious-client";
import {
  type ContainerSchema,
  type IFluidContainer,
  type IServiceAudience,
  SchemaFactory,
  SharedTree,
  TreeViewConfiguration,
} from "fluid-framework";
import { SharedMap, SharedString } from "fluid-framework/legacy";
import { type Service, tenants } from "levee-testkit/service";
import {
  randomUser,
  SigningTokenProvider,
  type TokenOptions,
  type TokenRequest,
} from "levee-testkit/tokens";
import { until } from "levee-testkit/wait";

const factory = new SchemaFactory("levee.e2e");

export class Item extends factory.object("Item", {
  id: factory.string,
  count: factory.number,
}) {}

export class Items extends factory.array("Items", Item) {}

export const itemsView = new TreeViewConfiguration({ schema: Items });

export const schema = {
  initialObjects: { map: SharedMap, text: SharedString, tree: SharedTree },
} satisfies ContainerSchema;

/** What apps of today write; the service must not care. */
export const FLUID_VERSION = "2.100.0";

type Audience = IServiceAudience<AzureMember | TinyliciousMember>;

export interface BlobHandle {
  get(): Promise<ArrayBuffer>;
}

/** One client's view of the app's document. */
export class App {
  readonly container: IFluidContainer<typeof schema>;
  readonly audience: Audience;
  readonly items: Items;
  documentId: string;

  constructor(
    container: IFluidContainer<typeof schema>,
    audience: Audience,
    documentId: string,
    items: Items,
  ) {
    this.container = container;
    this.audience = audience;
    this.documentId = documentId;
    this.items = items;
  }

  get map() {
    return this.container.initialObjects.map;
  }

  /** Stores `bytes` beside the document, and answers the handle that a value may hold. */
  async uploadBlob(bytes: Uint8Array<ArrayBuffer>): Promise<BlobHandle> {
    // Official, but marked internal while its shape settles.
    const uploader = this.container as unknown as {
      uploadBlob(blob: ArrayBuffer): Promise<BlobHandle>;
    };
    return uploader.uploadBlob(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
    );
  }

  get text() {
    return this.container.initialObjects.text;
  }

  /** Everything a user sees, in an order that does not depend on how it came about. */
  state(): AppState {
    return {
      map: Object.fromEntries(
        [...this.map.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
      ),
      text: this.text.getText(),
      items: this.items.map(({ id, count }) => ({ id, count })),
    };
  }
}

export interface AppState {
  readonly map: Record<string, unknown>;
  readonly text: string;
  readonly items: readonly { id: string; count: number }[];
}

/** One of the ways in which an app opens documents on a service. */
export interface Opener {
  /** A document that exists only here, until `attach`. */
  create(): Promise<DetachedApp>;
  load(documentId: string): Promise<App>;
}

export interface DetachedApp {
  readonly app: App;
  attach(): Promise<string>;
}

export function tinyliciousOpener(service: Service): Opener {
  // The client reads the port and the domain apart, and joins them with a colon.
  const client = new TinyliciousClient({
    connection: { port: service.port, domain: "http://127.0.0.1" },
  });
  // The newest tinylicious-client is one minor version behind fluid-framework, so the two packages'
  // types of one and the same schema and container are strangers to each other.
  const theirs = schema as unknown as Parameters<typeof client.createContainer>[0];
  return {
    create: async () => detached((await client.createContainer(theirs, "2")) as unknown as Opened),
    load: async (documentId) =>
      loaded((await client.getContainer(documentId, theirs, "2")) as unknown as Opened, documentId),
  };
}

/** The same for every token, or chosen at each request of the driver. */
export type AzureOptions = TokenOptions | ((request: TokenRequest) => TokenOptions);

/** One client is one user, whatever else its tokens say. */
function withUser(options: AzureOptions): (request: TokenRequest) => TokenOptions {
  const user = randomUser();
  return (request) => ({ user, ...(typeof options === "function" ? options(request) : options) });
}

export interface AzureOpener extends Opener {
  readonly client: AzureClient;
  readonly tokens: SigningTokenProvider;
}

/** azure-client against a service run locally: the tenant is `local`, the key is the app's guess. */
export function azureLocalOpener(service: Service, options: AzureOptions = {}): AzureOpener {
  const tokens = new SigningTokenProvider(tenants.local, withUser(options));
  return azureOpener(
    new AzureClient({
      connection: { type: "local", endpoint: service.url, tokenProvider: tokens },
    }),
    tokens,
  );
}

/** azure-client as against Azure Fluid Relay: a tenant and its signed tokens. */
export function azureRemoteOpener(service: Service, options: AzureOptions = {}): AzureOpener {
  const tokens = new SigningTokenProvider(tenants.fluid, withUser(options));
  return azureOpener(
    new AzureClient({
      connection: {
        type: "remote",
        tenantId: tenants.fluid.id,
        endpoint: service.url,
        tokenProvider: tokens,
      },
    }),
    tokens,
  );
}

function azureOpener(client: AzureClient, tokens: SigningTokenProvider): AzureOpener {
  return {
    client,
    tokens,
    create: async () => detached(await client.createContainer(schema, FLUID_VERSION)),
    load: async (documentId) =>
      loaded(await client.getContainer(documentId, schema, FLUID_VERSION), documentId),
  };
}

/** The app at one of its stored versions, for viewing. */
export async function viewVersion(
  opener: AzureOpener,
  documentId: string,
  version: AzureContainerVersion,
): Promise<AppState> {
  const { container } = await opener.client.viewContainerVersion(
    documentId,
    schema,
    version,
    FLUID_VERSION,
  );
  const { map, text, tree } = container.initialObjects;
  const items = tree.viewWith(itemsView).root;
  const state = {
    map: Object.fromEntries([...map.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))),
    text: text.getText(),
    items: items.map(({ id, count }) => ({ id, count })),
  };
  container.dispose();
  return state;
}

interface Opened {
  readonly container: IFluidContainer<typeof schema>;
  readonly services: { readonly audience: unknown };
}

function detached({ container, services }: Opened): DetachedApp {
  const view = container.initialObjects.tree.viewWith(itemsView);
  view.initialize(new Items([]));
  const app = new App(container, services.audience as Audience, "", view.root);
  return {
    app,
    attach: async () => {
      app.documentId = await container.attach();
      return app.documentId;
    },
  };
}

function loaded({ container, services }: Opened, documentId: string): App {
  const view = container.initialObjects.tree.viewWith(itemsView);
  return new App(container, services.audience as Audience, documentId, view.root);
}

/** Waits until nothing of `apps` is unacknowledged and all of them show the same. */
export async function converge(apps: readonly App[], timeoutMs = 60_000): Promise<AppState> {
  const shown = () => apps.map((app) => JSON.stringify(app.state()));
  await until(
    () => {
      if (apps.some((app) => app.container.isDirty)) return false;
      return new Set(shown()).size === 1;
    },
    {
      what: `${apps.length} clients that converge`,
      timeoutMs,
      seen: () => shown().map((text) => text.slice(0, 300)),
    },
  );
  const [first] = apps;
  if (first === undefined) throw new Error("no client to converge");
  return first.state();
}

/** Waits until everything that `app` has done is acknowledged by the service. */
export async function saved(app: App, timeoutMs = 30_000): Promise<void> {
  await until(() => !app.container.isDirty, { what: "every op acknowledged", timeoutMs });
}
