// What a view is waiting for, and what somebody asked it to do.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";

/** Something that is loaded. The last value stays while a new one is on its way. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly error: ApiError | undefined;
  readonly isLoading: boolean;
  /** Loads again. */
  readonly reload: () => void;
}

interface State<T> {
  readonly value: T | undefined;
  readonly error: ApiError | undefined;
  readonly isLoading: boolean;
}

/** Loads when the view appears and whenever `inputs` change. An older load is given up then. */
export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  inputs: readonly (string | number | boolean | undefined)[],
): Loaded<T> {
  const [state, setState] = useState<State<T>>({
    value: undefined,
    error: undefined,
    isLoading: true,
  });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  const key = JSON.stringify(inputs);
  // `key` and `round` say when to load.
  useEffect(() => {
    const ending = new AbortController();
    setState((before) => ({ ...before, isLoading: true }));
    latest.current(ending.signal).then(
      (value) => {
        if (!ending.signal.aborted) setState({ value, error: undefined, isLoading: false });
      },
      (error: unknown) => {
        if (ending.signal.aborted) return;
        setState((before) => ({ ...before, error: asApiError(error), isLoading: false }));
      },
    );
    return () => ending.abort();
  }, [key, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { ...state, reload };
}

/** Something that is done on request, one at a time. */
export interface Doing {
  readonly isBusy: boolean;
  readonly error: ApiError | undefined;
  /** Does it and answers whether it went well. What went wrong is in `error` then. */
  readonly run: (act: () => Promise<void>) => Promise<boolean>;
  readonly clear: () => void;
}

export function useDoing(): Doing {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>();
  const isRunning = useRef(false);
  const run = useCallback(async (act: () => Promise<void>) => {
    if (isRunning.current) return false;
    isRunning.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await act();
      return true;
    } catch (error) {
      setError(asApiError(error));
      return false;
    } finally {
      isRunning.current = false;
      setBusy(false);
    }
  }, []);
  const clear = useCallback(() => setError(undefined), []);
  return { isBusy, error, run, clear };
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(0, "page", error instanceof Error ? error.message : String(error));
}

/** A value that follows another after it has stood still, for searches while typing. */
export function useSettled<T>(value: T, delayMs: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delayMs);
    return () => clearTimeout(timer);
  }, [value, delayMs]);
  return settled;
}

/** Calls again and again while `isOn`, each time a while after the last has ended. */
export function usePoll(
  poll: (signal: AbortSignal) => Promise<void>,
  delayMs: number,
  isOn: boolean,
): void {
  const latest = useRef(poll);
  latest.current = poll;
  useEffect(() => {
    if (!isOn) return;
    const ending = new AbortController();
    const { signal } = ending;
    const loop = async () => {
      while (!signal.aborted) {
        // A page that nobody looks at asks for nothing.
        if (document.visibilityState === "visible") {
          try {
            await latest.current(signal);
          } catch (error) {
            if (!signal.aborted) throw error;
          }
        }
        await pause(delayMs, signal);
      }
    };
    void loop();
    return () => ending.abort();
  }, [delayMs, isOn]);
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
