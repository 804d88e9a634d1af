import type {
  IContainerContext,
  IFluidCodeDetails,
  IRuntime,
  IRuntimeFactory,
} from "@fluidframework/container-definitions/internal";
import type { CompatibilityMode, ContainerSchema } from "@fluidframework/fluid-static";
import { createDOProviderContainerRuntimeFactory } from "@fluidframework/fluid-static/internal";
import type { MinimumVersionForCollab } from "./interfaces.ts";

/** What every document of this kind says of its code: the schema is the app's, not the document's. */
export const codeDetails: IFluidCodeDetails = { package: "no-dynamic-package", config: {} };

/** Makes the runtimes of one document, and remembers the one that it made last. */
export class RuntimeFactory implements IRuntimeFactory {
  readonly #factory: IRuntimeFactory;
  #latest: IRuntime | undefined;

  constructor(factory: IRuntimeFactory) {
    this.#factory = factory;
  }

  get IRuntimeFactory(): IRuntimeFactory {
    return this;
  }

  get latest(): IRuntime | undefined {
    return this.#latest;
  }

  async instantiateRuntime(context: IContainerContext, existing: boolean): Promise<IRuntime> {
    this.#latest = await this.#factory.instantiateRuntime(context, existing);
    return this.#latest;
  }
}

/** A runtime factory for `schema`, with whatever Fluid version the app has. */
export function createRuntimeFactory(
  schema: ContainerSchema,
  compatibilityMode: CompatibilityMode | MinimumVersionForCollab,
): RuntimeFactory {
  const version = minVersion(compatibilityMode);
  const props = {
    schema,
    minVersionForCollaboration: version,
    // Fluid before 2.111 reads these two in its place.
    compatibilityMode: version.startsWith("1.") ? ("1" as const) : ("2" as const),
    minVersionForCollabOverride: version,
  };
  return new RuntimeFactory(createDOProviderContainerRuntimeFactory(props));
}

function minVersion(mode: CompatibilityMode | MinimumVersionForCollab): MinimumVersionForCollab {
  switch (mode) {
    case "1":
      return "1.0.0";
    case "2":
      return "2.0.0";
    default:
      return mode;
  }
}
