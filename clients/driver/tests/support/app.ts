// An app on Fluid's loader and this driver: one data object with a directory.

import * as aqueduct from "@fluidframework/aqueduct/legacy";
import {
  createDetachedContainer,
  type ILoaderProps,
  loadExistingContainer,
} from "@fluidframework/container-loader/legacy";
import type { ISharedDirectory } from "@fluidframework/map/legacy";
import { type Endpoint, type Tenant, tenants } from "levee-testkit/service";
import { until } from "levee-testkit/wait";
import {
  InsecureLeveeTokenProvider,
  LeveeDocumentServiceFactory,
  LeveeUrlResolver,
  type SerializationFormat,
  type TokenProvider,
} from "../../src/index.ts";

type Container = Awaited<ReturnType<typeof createDetachedContainer>>;

class Data extends aqueduct.DataObject {
  get directory(): ISharedDirectory {
    return this.root;
  }
}

const defaultFactory = new aqueduct.DataObjectFactory({ type: "data", ctor: Data });

export interface AppOptions {
  readonly tenant?: Tenant;
  readonly serialization?: SerializationFormat;
  readonly tokenProvider?: TokenProvider;
}

/** One user's view of a document. */
export class App {
  readonly container: Container;
  readonly root: ISharedDirectory;
  readonly factory: LeveeDocumentServiceFactory;

  static async create(service: Endpoint, options: AppOptions = {}): Promise<App> {
    const { props, factory, resolver, tenant } = loaderProps(service, options);
    const container = await createDetachedContainer({ ...props, codeDetails: { package: "app" } });
    await container.attach(resolver.createCreateNewRequest(tenant.id));
    return App.#open(container, factory);
  }

  static async load(service: Endpoint, id: string, options: AppOptions = {}): Promise<App> {
    const { props, factory, resolver, tenant } = loaderProps(service, options);
    const request = resolver.createRequestForDocument(id, tenant.id);
    return App.#open(await loadExistingContainer({ ...props, request }), factory);
  }

  static async #open(container: Container, factory: LeveeDocumentServiceFactory): Promise<App> {
    const { directory } = (await container.getEntryPoint()) as Data;
    return new App(container, directory, factory);
  }

  private constructor(
    container: Container,
    root: ISharedDirectory,
    factory: LeveeDocumentServiceFactory,
  ) {
    this.container = container;
    this.root = root;
    this.factory = factory;
  }

  get id(): string {
    return this.container.resolvedUrl?.id ?? "";
  }

  async saved(): Promise<void> {
    await until(() => !this.container.isDirty, { what: "a saved container" });
  }

  async sees(key: string, value: unknown, timeoutMs?: number): Promise<void> {
    await until(() => this.root.get(key) === value, {
      what: `${key} to be ${value}`,
      seen: () => this.root.get(key),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }
}

function loaderProps(service: Endpoint, options: AppOptions) {
  const tenant = options.tenant ?? tenants.fluid;
  const resolver = new LeveeUrlResolver(undefined, service.url);
  const factory = new LeveeDocumentServiceFactory(
    options.tokenProvider ??
      new InsecureLeveeTokenProvider(tenant.key, { id: "u", name: "U" }, tenant.id),
    undefined,
    options.serialization,
  );
  const fluidExport = new aqueduct.ContainerRuntimeFactoryWithDefaultDataStore({
    defaultFactory,
    registryEntries: [defaultFactory.registryEntry],
  });
  const props: ILoaderProps = {
    urlResolver: resolver,
    documentServiceFactory: factory,
    codeLoader: {
      load: async () => ({ module: { fluidExport }, details: { package: "app" } }),
    },
  };
  return { props, factory, resolver, tenant };
}
