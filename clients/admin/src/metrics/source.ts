// Where the figures come from.

import { call, path } from "../api/client.ts";
import { type Figures, read, type Sample } from "./sample.ts";

/**
 * The figures of this moment; for administrators of the service.
 *
 * @throws ApiError when there is no answer, or no good one.
 */
export async function fetchSample(signal: AbortSignal): Promise<Sample> {
  const figures = await call<Figures>("GET", path(["metrics"]), { signal });
  return read(figures, performance.now());
}
