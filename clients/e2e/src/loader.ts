// An app straight on container-loader and routerlicious-driver, in the major versions 2 and 3.

import * as aqueduct2 from "@fluidframework/aqueduct/legacy";
import * as loader2 from "@fluidframework/container-loader/legacy";
import type { IUrlResolver } from "@fluidframework/driver-definitions/legacy";
import * as map2 from "@fluidframework/map/legacy";
import * as driver2 from "@fluidframework/routerlicious-driver/internal";
import * as aqueduct3 from "aqueduct-3/legacy";
import type { Endpoint, Tenant } from "levee-testkit/service";
import { randomUser, SigningTokenProvider, type TokenOptions } from "levee-testkit/tokens";
import { until } from "levee-testkit/wait";
import * as loader3 from "loader-3/legacy";
import * as map3 from "map-3/legacy";
import * as driver3 from "routerlicious-driver-3/internal";

interface Packages {
  readonly aqueduct: typeof aqueduct2;
  readonly loader: typeof loader2;
  readonly driver: typeof driver2;
  readonly map: typeof map2;
}

/** The packages of each major version. Their types differ only in places that are not used here. */
const packages = {
  2: { aqueduct: aqueduct2, loader: loader2, driver: driver2, map: map2 },
  3: {
    aqueduct: aqueduct3,
    loader: loader3,
    driver: driver3,
    map: map3,
  } as unknown as Packages,
} satisfies Record<number, Packages>;

export type Major = keyof typeof packages;
export const majors: readonly Major[] = [2, 3];

type Container = Awaited<ReturnType<typeof loader2.loadExistingContainer>>;
type Runtime = aqueduct2.IDataObjectProps["runtime"];
type Policies = NonNullable<
  ConstructorParameters<typeof driver2.RouterliciousDocumentServiceFactory>[1]
>;

export interface LoaderOptions extends TokenOptions {
  readonly tenant: Tenant;
  /** How the driver talks to the service, where that is not its default. */
  readonly policies?: Policies;
  /** Summarise after this many ops; without it the client's own default holds. */
  readonly summarizeAfterOps?: number;
  /** Sends every op whole, whatever its size; without it the client compresses and cuts large ones. */
  readonly wholeOps?: boolean;
}

/** What the app's data object gives out. */
export interface LoaderApp {
  readonly container: Container;
  readonly root: map2.ISharedDirectory;
  readonly runtime: Runtime;
  readonly documentId: string;
  /** The channel with this name, created on its first use. */
  channel(name: string): Promise<map2.ISharedMap>;
}

/** Opens documents with the packages of one major version. */
export class LoaderKit {
  readonly tokens: SigningTokenProvider;
  readonly #packages: Packages;
  readonly #service: Endpoint;
  readonly #options: LoaderOptions;

  constructor(major: Major, service: Endpoint, options: LoaderOptions) {
    this.#packages = packages[major];
    this.#service = service;
    this.#options = options;
    this.tokens = new SigningTokenProvider(options.tenant, { user: randomUser(), ...options });
  }

  async create(fill: (app: LoaderApp) => Promise<void> = async () => {}): Promise<LoaderApp> {
    const container = await this.#packages.loader.createDetachedContainer({
      ...this.#props(),
      codeDetails: { package: "levee-e2e" },
    });
    await fill(await this.#app(container));
    await container.attach({ url: "", headers: { createNew: true } });
    return this.#app(container);
  }

  async load(documentId: string): Promise<LoaderApp> {
    const container = await this.#packages.loader.loadExistingContainer({
      ...this.#props(),
      request: { url: documentId },
    });
    return this.#app(container);
  }

  #props() {
    const { driver } = this.#packages;
    const module = { fluidExport: this.#runtimeFactory() };
    return {
      urlResolver: resolver(this.#service, this.#options.tenant),
      documentServiceFactory: new driver.RouterliciousDocumentServiceFactory(
        this.tokens,
        this.#options.policies,
      ),
      codeLoader: {
        load: async () => ({ module, details: { package: "levee-e2e" } }),
      },
    };
  }

  #runtimeFactory() {
    const { aqueduct, map } = this.#packages;
    class Data extends aqueduct.DataObject {
      get directory() {
        return this.root;
      }
      get dataRuntime() {
        return this.runtime;
      }
    }
    const defaultFactory = new aqueduct.DataObjectFactory({
      type: "levee-e2e",
      ctor: Data,
      sharedObjects: [map.SharedMap.getFactory()],
    });
    return new aqueduct.ContainerRuntimeFactoryWithDefaultDataStore({
      defaultFactory,
      registryEntries: [defaultFactory.registryEntry],
      runtimeOptions: runtimeOptions(this.#options),
    });
  }

  async #app(container: Container): Promise<LoaderApp> {
    const data = (await container.getEntryPoint()) as unknown as {
      readonly directory: map2.ISharedDirectory;
      readonly dataRuntime: Runtime;
    };
    const { map } = this.#packages;
    const { directory: root, dataRuntime: runtime } = data;
    return {
      container,
      root,
      runtime,
      documentId: container.resolvedUrl?.id ?? "",
      async channel(name) {
        if (!root.has(name)) {
          const created = map.SharedMap.create(runtime, name);
          root.set(name, created.handle);
          return created;
        }
        return root.get(name).get();
      },
    };
  }
}

type RuntimeOptions = NonNullable<
  ConstructorParameters<
    typeof aqueduct2.ContainerRuntimeFactoryWithDefaultDataStore
  >[0]["runtimeOptions"]
>;

function runtimeOptions({ summarizeAfterOps, wholeOps }: LoaderOptions): RuntimeOptions {
  return {
    ...(wholeOps === true
      ? {
          compressionOptions: {
            minimumBatchSizeInBytes: Number.POSITIVE_INFINITY,
            compressionAlgorithm: "lz4" as never,
          },
          chunkSizeInBytes: Number.POSITIVE_INFINITY,
        }
      : {}),
    ...(summarizeAfterOps === undefined
      ? {}
      : {
          summaryOptions: {
            summaryConfigOverrides: {
              state: "enabled",
              minIdleTime: 0,
              maxIdleTime: 1000,
              maxTime: 60_000,
              maxOps: summarizeAfterOps,
              minOpsForLastSummaryAttempt: 1,
              maxAckWaitTime: 20_000,
              maxOpsSinceLastSummary: 7000,
              initialSummarizerDelayMs: 0,
              nonRuntimeOpWeight: 0.1,
              runtimeOpWeight: 1,
            },
          },
        }),
  };
}

function resolver(service: Endpoint, tenant: Tenant): IUrlResolver {
  return {
    async resolve(request) {
      const path = request.url.replace(`${service.url}/${tenant.id}/`, "");
      const id = path.split("/")[0] || "new";
      return {
        type: "fluid",
        id,
        url: `${service.url}/${tenant.id}/${id}${path.slice(id.length)}`,
        tokens: {},
        endpoints: {
          ordererUrl: service.url,
          deltaStorageUrl: `${service.url}/deltas/${tenant.id}/${id}`,
          storageUrl: `${service.url}/repos/${tenant.id}`,
        },
      };
    },
    async getAbsoluteUrl(resolved, relativeUrl) {
      return `${service.url}/${tenant.id}/${resolved.id}/${relativeUrl.replace(/^\//, "")}`;
    },
  };
}

/** Waits until nothing of `apps` is unacknowledged and all have read the same number of ops. */
export async function settle(apps: readonly LoaderApp[], timeoutMs = 30_000): Promise<void> {
  const heads = () => apps.map(({ container }) => container.deltaManager.lastSequenceNumber);
  await until(
    () => apps.every(({ container }) => !container.isDirty) && new Set(heads()).size === 1,
    { what: "clients that settle", timeoutMs, seen: heads },
  );
}

export interface SummaryEvents {
  readonly acked: number;
  readonly nacked: number;
  /** Up to which sequence number the last acknowledged summary holds the document. */
  readonly coveredTo: number;
}

/** Follows the summaries and their answers that `container` reads from now on. */
export function watchSummaries({ container }: Pick<LoaderApp, "container">): SummaryEvents {
  const events = { acked: 0, nacked: 0, coveredTo: 0 };
  const proposed = new Map<number, number>();
  container.on("op", (message) => {
    switch (message.type) {
      case "summarize":
        proposed.set(message.sequenceNumber, message.referenceSequenceNumber);
        break;
      case "summaryAck":
        events.acked += 1;
        events.coveredTo = proposed.get(proposalOf(message)) ?? 0;
        break;
      case "summaryNack":
        events.nacked += 1;
        break;
    }
  });
  return events;
}

/** The number of the summarize op that `answer` is about. Clients read `data` before `contents`. */
function proposalOf(answer: { readonly contents: unknown; readonly data?: string }): number {
  const body = answer.data === undefined ? answer.contents : JSON.parse(answer.data);
  return body.summaryProposal.summarySequenceNumber;
}
