// Where the figures come from.

import { ApiError } from "../api/client.ts";
import { readText, type Sample } from "./sample.ts";

/**
 * The figures of this moment.
 *
 * @throws ApiError when there is no answer, or no good one.
 */
export async function fetchSample(signal: AbortSignal): Promise<Sample> {
  let response: Response;
  let text: string;
  try {
    response = await fetch("/metrics", { signal });
    text = await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The service cannot be reached.");
  }
  if (!response.ok) {
    throw new ApiError(response.status, "", `The service answered ${response.status}.`);
  }
  return readText(text, performance.now());
}
