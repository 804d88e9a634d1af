import { AttachState } from "@fluidframework/container-definitions";
import { type IContainer, LoaderHeader } from "@fluidframework/container-definitions/internal";
import {
  createDetachedContainer,
  type ILoaderProps,
  loadContainerPaused,
  loadExistingContainer,
  rehydrateDetachedContainer,
} from "@fluidframework/container-loader/internal";
import type { IConfigProviderBase } from "@fluidframework/core-interfaces";
import type { IClient } from "@fluidframework/driver-definitions";
import type { IDocumentStorageService } from "@fluidframework/driver-definitions/internal";
import type {
  CompatibilityMode,
  ContainerSchema,
  IFluidContainer,
} from "@fluidframework/fluid-static";
import { createFluidContainer, createServiceAudience } from "@fluidframework/fluid-static/internal";
import { LeveeDocumentServiceFactory, LeveeUrlResolver, type TokenProvider } from "levee-driver";
import { createMember } from "./audience.ts";
import { readAttachments, takeState } from "./copy.ts";
import type {
  LeveeClientProps,
  LeveeContainerServices,
  LeveeContainerVersion,
  LeveeGetVersionsOptions,
  LeveeUser,
  MinimumVersionForCollab,
} from "./interfaces.ts";
import { Presence } from "./presence.ts";
import { codeDetails, createRuntimeFactory, type RuntimeFactory } from "./runtime.ts";
import { type Attachments, SessionFactory } from "./session.ts";
import { createTokenProvider, resolveUser, tenantOf, withoutTrailingSlash } from "./tokens.ts";

/** How many versions are listed where nothing else is asked. */
const DEFAULT_VERSION_COUNT = 5;

/** Fluid's feature gates, where the app does not set them itself. */
const FEATURE_GATES: Readonly<Record<string, boolean>> = {
  // A client that only reads is no member of the quorum, and nobody would see it come or go.
  "Fluid.Container.ForceWriteConnection": true,
};

/**
 * Opens documents on a Levee service.
 *
 * @example
 * ```ts
 * const client = new LeveeClient({
 *   connection: {
 *     httpUrl: "http://localhost:4000",
 *     tenantKey: "dev-tenant-secret-key",
 *     user: { id: "ada", name: "Ada" },
 *   },
 * });
 * const { container, services } = await client.createContainer(schema, "2");
 * const id = await container.attach();
 * ```
 *
 * @public
 */
export class LeveeClient {
  readonly #props: LeveeClientProps;
  readonly #tenantId: string;
  readonly #tokens: TokenProvider;
  readonly #urls: LeveeUrlResolver;
  #user: Promise<LeveeUser> | undefined;

  /**
   * Makes a client that knows its user: with an `authToken` and no `user`, the service is asked
   * whose session it is.
   *
   * @throws what the constructor throws, and whatever keeps the service from telling.
   */
  static async create(props: LeveeClientProps): Promise<LeveeClient> {
    const user = props.connection.user ?? (await resolveUser(props.connection));
    return new LeveeClient({ ...props, connection: { ...props.connection, user } });
  }

  /**
   * Makes a client. Nothing is sent before the first document is opened.
   *
   * @throws TypeError if neither a user nor an `authToken` is given, a `tenantKey` without a user, or
   * no source of tokens.
   */
  constructor(props: LeveeClientProps) {
    const { connection } = props;
    this.#props = props;
    this.#tenantId = tenantOf(connection);
    this.#tokens = createTokenProvider(connection);
    this.#urls = new LeveeUrlResolver(
      connection.socketUrl,
      withoutTrailingSlash(connection.httpUrl),
      this.#tenantId,
    );
  }

  /**
   * Makes a new document, which exists only here until its `attach()` resolves to its id.
   *
   * @typeParam TSchema - The document's schema, inferred.
   * @param schema - The objects that the document has from the beginning, and may get later.
   * @param compatibilityMode - The oldest Fluid version that collaborators may have.
   */
  async createContainer<const TSchema extends ContainerSchema>(
    schema: TSchema,
    compatibilityMode: CompatibilityMode | MinimumVersionForCollab,
  ): Promise<{ container: IFluidContainer<TSchema>; services: LeveeContainerServices }> {
    const opening = await this.#open(schema, compatibilityMode);
    const container = await createDetachedContainer({ ...opening.loaderProps, codeDetails });
    return this.#detached<TSchema>(container, opening);
  }

  /**
   * Opens a document.
   *
   * @typeParam TSchema - The document's schema, inferred.
   * @param id - What `attach()` resolved to.
   * @param schema - The schema that the document was made with.
   * @param compatibilityMode - The oldest Fluid version that collaborators may have.
   */
  async getContainer<TSchema extends ContainerSchema>(
    id: string,
    schema: TSchema,
    compatibilityMode: CompatibilityMode | MinimumVersionForCollab,
  ): Promise<{ container: IFluidContainer<TSchema>; services: LeveeContainerServices }> {
    const opening = await this.#open(schema, compatibilityMode);
    const request = this.#request(id);
    const container = await loadExistingContainer({ ...opening.loaderProps, request });
    return {
      container: await createFluidContainer<TSchema>({ container }),
      services: this.#servicesOf(container, opening),
    };
  }

  /**
   * Lists a document's stored versions, the newest first.
   *
   * @param id - The document's id.
   * @param options - How many.
   */
  async getContainerVersions(
    id: string,
    options?: LeveeGetVersionsOptions,
  ): Promise<LeveeContainerVersion[]> {
    return this.#withStorage(id, async (storage) => {
      const count = options?.maxCount ?? DEFAULT_VERSION_COUNT;
      // Asked for one version, a driver answers the latest the short way: without its date.
      const listed = await storage.getVersions(null, Math.max(count, 2));
      const versions = listed.slice(0, count);
      return versions.map((version) =>
        version.date === undefined ? { id: version.id } : { id: version.id, date: version.date },
      );
    });
  }

  /**
   * Opens a document as it was in a stored version: for viewing only, without a connection.
   *
   * @typeParam TSchema - The document's schema, inferred.
   * @param id - The document's id.
   * @param schema - The schema that the document was made with.
   * @param version - One of those that {@link LeveeClient.getContainerVersions} lists.
   * @param compatibilityMode - The oldest Fluid version that collaborators may have.
   */
  async viewContainerVersion<TSchema extends ContainerSchema>(
    id: string,
    schema: TSchema,
    version: LeveeContainerVersion,
    compatibilityMode: CompatibilityMode | MinimumVersionForCollab,
  ): Promise<{ container: IFluidContainer<TSchema> }> {
    const { loaderProps } = await this.#open(schema, compatibilityMode);
    const request = this.#request(id, { [LoaderHeader.version]: version.id });
    const container = await loadContainerPaused(loaderProps, request);
    return { container: await createFluidContainer<TSchema>({ container }) };
  }

  /**
   * Makes a new document with the contents of another one, its attached blobs included. It exists
   * only here until its `attach()` resolves to its own id, and can be edited before.
   *
   * @typeParam TSchema - The documents' schema, inferred.
   * @param id - The id of the document to copy.
   * @param schema - The schema that the document was made with.
   * @param compatibilityMode - The oldest Fluid version that collaborators may have.
   * @param version - Which stored version to copy; without it, the document as it is now.
   */
  async copyContainer<TSchema extends ContainerSchema>(
    id: string,
    schema: TSchema,
    compatibilityMode: CompatibilityMode | MinimumVersionForCollab,
    version?: LeveeContainerVersion,
  ): Promise<{ container: IFluidContainer<TSchema>; services: LeveeContainerServices }> {
    const source = await this.#open(schema, compatibilityMode);
    const { serializedState, attachments } = await takeState(
      source.loaderProps,
      source.runtimes,
      this.#request(id, version === undefined ? undefined : { [LoaderHeader.version]: version.id }),
    );
    const opening = await this.#open(
      schema,
      compatibilityMode,
      await this.#withStorage(id, (storage) => readAttachments(storage, attachments)),
    );
    const container = await rehydrateDetachedContainer({ ...opening.loaderProps, serializedState });
    return this.#detached<TSchema>(container, opening);
  }

  async #detached<TSchema extends ContainerSchema>(
    container: IContainer,
    opening: Opening,
  ): Promise<{ container: IFluidContainer<TSchema>; services: LeveeContainerServices }> {
    const fluidContainer = await createFluidContainer<TSchema>({ container });
    fluidContainer.attach = async () => {
      if (container.attachState !== AttachState.Detached) {
        throw new Error("a container that is not detached cannot be attached");
      }
      await container.attach(this.#urls.createCreateNewRequest(this.#tenantId));
      const id = container.resolvedUrl?.id;
      if (id === undefined) throw new Error("the service gave the document no id");
      return id;
    };
    return { container: fluidContainer, services: this.#servicesOf(container, opening) };
  }

  #servicesOf(container: IContainer, { session }: Opening): LeveeContainerServices {
    const audience = createServiceAudience({ container, createServiceMember: createMember });
    let presence: Presence<never> | undefined;
    container.on("disconnected", () => session.disconnected());
    container.once("closed", () => session.disconnected());
    return {
      audience,
      presence: <TState extends object>(isState?: (state: object) => state is TState) => {
        if (presence === undefined) {
          const made = new Presence<TState>(isState, (error) => this.#report(error));
          session.follow(made);
          presence = made as unknown as Presence<never>;
        }
        return presence as unknown as Presence<TState>;
      },
    };
  }

  async #open(
    schema: ContainerSchema,
    compatibilityMode: CompatibilityMode | MinimumVersionForCollab,
    attachments?: Attachments,
  ): Promise<Opening> {
    this.#user ??= Promise.resolve(
      this.#props.connection.user ?? resolveUser(this.#props.connection),
    );
    const user = await this.#user.catch((error: unknown) => {
      // The next document asks again.
      this.#user = undefined;
      throw error;
    });
    const runtimes = createRuntimeFactory(schema, compatibilityMode);
    const session = new SessionFactory(() => this.#driver(), attachments);
    const module = { fluidExport: runtimes };
    const client: IClient = {
      details: { capabilities: { interactive: true } },
      permission: [],
      scopes: [],
      user,
      mode: "write",
    };
    const loaderProps: ILoaderProps = {
      urlResolver: this.#urls,
      documentServiceFactory: session,
      codeLoader: { load: async () => ({ module, details: codeDetails }) },
      options: { client },
      configProvider: withGates(this.#props.configProvider),
      ...(this.#props.logger === undefined ? {} : { logger: this.#props.logger }),
    };
    return { loaderProps, runtimes, session };
  }

  #driver(): LeveeDocumentServiceFactory {
    const { debug, serialization } = this.#props.connection;
    return new LeveeDocumentServiceFactory(this.#tokens, debug, serialization);
  }

  #request(id: string, headers?: Record<string, unknown>) {
    const { url } = this.#urls.createRequestForDocument(id, this.#tenantId);
    return headers === undefined ? { url } : { url, headers };
  }

  async #withStorage<T>(
    id: string,
    use: (storage: IDocumentStorageService) => Promise<T>,
  ): Promise<T> {
    const resolved = await this.#urls.resolve(this.#request(id));
    if (resolved === undefined) throw new TypeError(`"${id}" is no document id`);
    const service = await this.#driver().createDocumentService(resolved);
    try {
      return await use(await service.connectToStorage());
    } finally {
      service.dispose();
    }
  }

  #report(error: Error): void {
    const { logger } = this.#props;
    if (logger === undefined) console.error(error);
    else {
      logger.send({ category: "error", eventName: "levee-client:presence", error: error.message });
    }
  }
}

/** What it takes to open one document. */
interface Opening {
  readonly loaderProps: ILoaderProps;
  readonly runtimes: RuntimeFactory;
  readonly session: SessionFactory;
}

function withGates(given: IConfigProviderBase | undefined): IConfigProviderBase {
  return { getRawConfig: (name) => given?.getRawConfig(name) ?? FEATURE_GATES[name] };
}
