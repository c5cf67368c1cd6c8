import type { ServerResponse } from "node:http";
import { LIMITS } from "@hearsay/api";
import { formatVersion, type Version } from "@hearsay/core";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { parseAfters } from "../http/query.ts";
import type { Services } from "../services.ts";

/**
 * Settles when this node holds the version, or when nobody waits for the answer any more.
 * @throws ApiProblem `not_yet` when it does not hold it in time, `overloaded` when too many wait
 */
export function untilHeld(
  services: Services,
  response: ServerResponse,
  key: string,
  version: Version,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let cancel: (() => void) | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      response.off("close", settle);
      cancel?.();
      resolve();
    };
    const timer = setTimeout(() => {
      response.off("close", settle);
      cancel?.();
      reject(new ApiProblem("not_yet", { members: { version: formatVersion(version) } }));
    }, timeoutMs);
    response.on("close", settle);
    cancel = services.node.whenHeld(key, version, settle);
    if (cancel !== undefined) {
      services.cluster.obtain(key, version, timeoutMs).then(
        () => {
          if (services.cluster.holds(key, version)) settle();
        },
        (error: unknown) => services.troubles.failed("version_not_obtained", error),
      );
      return;
    }
    clearTimeout(timer);
    response.off("close", settle);
    reject(
      new ApiProblem("overloaded", { detail: `${services.node.waiting} requests wait (limits.maxWaiters).` }),
    );
  });
}

/**
 * For a read of many keys: settles when this node holds what `Hearsay-After` names, and all that the same nodes wrote before.
 * @throws ApiProblem `invalid_header`, and as {@link untilHeld}
 */
export async function untilAllHeld(services: Services, exchange: Exchange): Promise<void> {
  const after = exchange.headers["hearsay-after"];
  if (after === undefined) return;
  await services.cluster.catchUp.until(parseAfters(after), {
    timeoutMs: LIMITS.timeoutDefaultMs,
    maxWaiting: services.settings["limits.maxWaiters"],
    isGone: () => exchange.response.destroyed,
  });
}
