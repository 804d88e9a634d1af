import { Service, tenants } from "levee-testkit/service";
import { until } from "levee-testkit/wait";
import { expect, test } from "vitest";
import { Mint } from "./mint.ts";
import {
  developmentClient,
  type Game,
  joinGame,
  newGame,
  productionClient,
} from "./original-app.ts";

test("an app that was written for the original client works with this one", async () => {
  const service = await Service.start();
  const bob = { id: "bob", name: "Bob" };
  // Its endpoint knows its own users; this one takes everybody for Bob.
  const mint = await Mint.before(service, tenants.fluid, new Map([["", bob]]));
  const games: Game[] = [];
  try {
    const { url: httpUrl, socketUrl } = service;
    const ada = developmentClient(
      { httpUrl, socketUrl, tenantId: tenants.fluid.id },
      { id: "ada", name: "Ada" },
      tenants.fluid.key,
    );
    const first = await newGame(ada);
    games.push(first);
    const endpoint = `${mint.url}/api/tenants/${tenants.fluid.id}/token-mint`;
    const second = await joinGame(await productionClient(httpUrl, bob, endpoint), first.id);
    games.push(second);
    expect(second.dice.get("value")).toBe(1);
    second.dice.set("value", 6);
    await until(() => first.dice.get("value") === 6, { what: "the roll of the second player" });
    await until(() => games.every((one) => one.players().length === 2), { what: "both players" });
    expect(first.players().sort()).toEqual(["Ada", "Bob"]);
  } finally {
    for (const one of games) one.leave();
    await mint.close();
    await service.stop();
  }
});
