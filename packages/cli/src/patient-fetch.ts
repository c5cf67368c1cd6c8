/** Node's fetch gives up after five minutes without an answer or a part of it, whatever its caller is ready to wait. */
import type { Platform } from "@hearsay/client";
import type { Dispatcher } from "undici";

/** Half a minute less than its own, which are no exact ones. */
const FETCH_WAITS_MS = 270_000;

let dispatcher: Dispatcher | undefined;

/** The global `fetch`, or for longer waits one that has no end of its own: the client's does. */
export const patientFetch: Platform["fetch"] = async (url, init) => {
  if (init.timeoutMs <= FETCH_WAITS_MS) return await fetch(url, init);
  // It takes as long to load as all of a short command, and few commands wait.
  const undici = await import("undici");
  dispatcher ??= new undici.Agent({ headersTimeout: 0, bodyTimeout: 0 });
  return await undici.fetch(url, { ...init, dispatcher });
};
