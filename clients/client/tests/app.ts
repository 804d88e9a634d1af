// The app of the end-to-end tests, opened with levee-client.

import type { IFluidContainer } from "fluid-framework";
import { type Service, type Tenant, tenants } from "levee-testkit/service";
import { randomUser, type User } from "levee-testkit/tokens";
import { App, type DetachedApp, Items, itemsView, type Opener, schema } from "../../e2e/src/app.ts";
import {
  LeveeClient,
  type LeveeConnectionConfig,
  type LeveeContainerServices,
} from "../src/index.ts";

export type AppContainer = IFluidContainer<typeof schema>;
export { schema };

/** What both the oldest and the newest Fluid can write. */
export const FLUID_VERSION = "2";

/** Both forms in which messages are written. */
export const serializations = ["json", "msgpack"] as const;

/** An app of one user, and what its client opened. */
export interface LeveeOpener extends Opener {
  readonly client: LeveeClient;
  readonly user: User;
  /** What the service offers for each app that was opened here. */
  servicesOf(app: App): LeveeContainerServices;
  create(): Promise<DetachedApp>;
  copy(...args: CopyArguments): Promise<DetachedApp>;
}

type CopyArguments = [documentId: string, version?: { id: string }];

export function leveeOpener(
  service: Service,
  options: Partial<LeveeConnectionConfig> & { readonly tenant?: Tenant } = {},
): LeveeOpener {
  const { tenant = tenants.fluid, ...connection } = options;
  const user = randomUser();
  const client = new LeveeClient({
    connection: {
      httpUrl: service.url,
      tenantId: tenant.id,
      tenantKey: tenant.key,
      user,
      ...connection,
    },
  });
  const services = new Map<App, LeveeContainerServices>();
  const detached = (opened: Opened, isNew: boolean): DetachedApp => {
    const app = appOf(opened, "", isNew);
    services.set(app, opened.services);
    return {
      app,
      attach: async () => {
        app.documentId = await opened.container.attach();
        return app.documentId;
      },
    };
  };
  return {
    client,
    user,
    servicesOf(app) {
      const offered = services.get(app);
      if (offered === undefined) throw new Error("the app was opened elsewhere");
      return offered;
    },
    create: async () => detached(await client.createContainer(schema, FLUID_VERSION), true),
    copy: async (documentId, version) =>
      detached(await client.copyContainer(documentId, schema, FLUID_VERSION, version), false),
    load: async (documentId) => {
      const opened = await client.getContainer(documentId, schema, FLUID_VERSION);
      const app = appOf(opened, documentId, false);
      services.set(app, opened.services);
      return app;
    },
  };
}

interface Opened {
  readonly container: AppContainer;
  readonly services: LeveeContainerServices;
}

function appOf({ container, services }: Opened, documentId: string, isNew: boolean): App {
  const view = container.initialObjects.tree.viewWith(itemsView);
  if (isNew) view.initialize(new Items([]));
  return new App(container, services.audience as App["audience"], documentId, view.root);
}
