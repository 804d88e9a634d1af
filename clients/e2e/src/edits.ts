// Seeded random edits on everything the app has, as users would do them at once.

import type { Random } from "levee-testkit/random";
import { type App, Item } from "./app.ts";

/** Does one edit. `name` marks what this client inserts. */
export function editAtRandom(app: App, random: Random, name: string): void {
  switch (random.below(7)) {
    case 0:
    case 1:
      app.map.set(`key ${random.below(12)}`, `${name}:${random.below(1_000_000)}`);
      return;
    case 2:
      app.map.delete(`key ${random.below(12)}`);
      return;
    case 3:
      app.text.insertText(random.below(app.text.getLength() + 1), `${name}${random.below(100)} `);
      return;
    case 4: {
      const length = app.text.getLength();
      if (length < 4) return;
      const start = random.below(length - 2);
      app.text.removeText(start, start + 1 + random.below(2));
      return;
    }
    case 5: {
      const item = new Item({ id: `${name}-${random.below(1_000_000)}`, count: 0 });
      app.items.insertAt(random.below(app.items.length + 1), item);
      return;
    }
    default: {
      if (app.items.length === 0) return;
      const index = random.below(app.items.length);
      const item = app.items.at(index);
      if (item === undefined) return;
      if (random.below(4) === 0) app.items.removeAt(index);
      else item.count += 1;
    }
  }
}
