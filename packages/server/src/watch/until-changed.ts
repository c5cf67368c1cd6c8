import type { ServerResponse } from "node:http";
import type { WatchHub } from "./hub.ts";
import { type Target, Waiter } from "./waiters.ts";

/**
 * Settles when something has happened to the target, the time is over, the reader gone, or the node about to stop.
 * @returns the position of the first change in the log; undefined when there is none
 */
export function untilChanged(
  hub: WatchHub,
  target: Target,
  waitMs: number,
  response: ServerResponse,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const settle = (): void => {
      leave();
      cancel();
      response.off("close", settle);
      resolve(waiter.since);
    };
    const waiter = new Waiter(target, settle);
    const leave = hub.wait(waiter);
    const cancel = hub.timers.after(waitMs, settle);
    if (response.destroyed || hub.isClosed) settle();
    else response.once("close", settle);
  });
}
