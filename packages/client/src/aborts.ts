/**
 * Many may wait for one signal: a caller hands the same one to each of a thousand calls. They share one listener, which goes
 * with the last of them. Runtimes take many listeners on a signal for a leak, and say so.
 */
const waiting: WeakMap<AbortSignal, Waiting> = new WeakMap();

interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

/**
 * Calls back once when the signal is aborted; not at all where it is already.
 * @returns what takes it back
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks } = waiting.get(signal) ?? listen(signal);
  // One of its own, so that who waits twice is called twice, and takes back only one.
  const own = (): void => callback();
  callbacks.add(own);
  return () => {
    if (callbacks.delete(own) && callbacks.size === 0) forget(signal);
  };
}

function listen(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    forget(signal);
    const due = [...callbacks];
    callbacks.clear();
    for (const callback of due) callback();
  };
  const of: Waiting = { callbacks, listener };
  waiting.set(signal, of);
  signal.addEventListener("abort", listener);
  return of;
}

function forget(signal: AbortSignal): void {
  const of = waiting.get(signal);
  if (of === undefined) return;
  waiting.delete(signal);
  signal.removeEventListener("abort", of.listener);
}
