// An app as it was written for the original client: strictly typed, with every name that one has.
// Only the name of the package is led elsewhere, by tsconfig.json and vitest.config.ts.

import {
  type CompatibilityMode,
  type DriverLeveeUser,
  type ILeveeAudience,
  InsecureLeveeTokenProvider,
  LeveeClient,
  type LeveeClientProps,
  type LeveeConfig,
  type LeveeConnectionConfig,
  type LeveeContainerServices,
  type LeveeMember,
  type LeveeUser,
  RemoteLeveeTokenProvider,
} from "@tylerbu/levee-client";
import type { ContainerSchema, IFluidContainer } from "fluid-framework";
import { SharedMap } from "fluid-framework/legacy";

const schema = { initialObjects: { dice: SharedMap } } satisfies ContainerSchema;
const mode: CompatibilityMode = "2";

export interface Game {
  readonly id: string;
  readonly dice: SharedMap;
  players(): string[];
  leave(): void;
}

type Opened = { container: IFluidContainer<typeof schema>; services: LeveeContainerServices };

function game(id: string, { container, services }: Opened): Game {
  const audience: ILeveeAudience = services.audience;
  return {
    id,
    dice: container.initialObjects.dice,
    players: () => [...audience.getMembers().values()].map(({ name }: LeveeMember) => name),
    leave: () => container.dispose(),
  };
}

/** In development: the key is in the app. */
export function developmentClient(config: LeveeConfig, user: LeveeUser, key: string): LeveeClient {
  const driverUser: DriverLeveeUser = user;
  const connection: LeveeConnectionConfig = {
    httpUrl: config.httpUrl,
    socketUrl: config.socketUrl,
    user,
    tokenProvider: new InsecureLeveeTokenProvider(key, driverUser, config.tenantId),
  };
  const props: LeveeClientProps = { connection };
  return new LeveeClient(props);
}

/** In production: the app's own endpoint signs. */
export async function productionClient(httpUrl: string, user: LeveeUser, endpoint: string) {
  const tokenProvider = new RemoteLeveeTokenProvider(endpoint, user);
  return LeveeClient.create({ connection: { httpUrl, user, tokenProvider } });
}

export async function newGame(client: LeveeClient): Promise<Game> {
  const opened = await client.createContainer(schema, mode);
  opened.container.initialObjects.dice.set("value", 1);
  return game(await opened.container.attach(), opened);
}

export async function joinGame(client: LeveeClient, id: string): Promise<Game> {
  return game(id, await client.getContainer(id, schema, mode));
}
