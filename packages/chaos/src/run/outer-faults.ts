/** Faults outside the nodes: the links between them, and their clocks. */
import type { LinkState } from "../cluster/link-state.ts";
import type { PlannedFault } from "../plan/schedule.ts";
import type { Act } from "./injector.ts";
import { pause } from "./pause.ts";

function stateOf({ kind, amount }: PlannedFault): LinkState {
  switch (kind) {
    case "hole":
      return { kind: "hole" };
    case "delay":
      return { kind: "delay", ms: amount };
    case "loss":
      return { kind: "loss", share: amount };
    case "trickle":
      return { kind: "trickle", bytesPerSecond: amount };
    case "cut":
      return { kind: "midway", share: amount };
    default:
      return { kind: "closed" };
  }
}

export const breakLinks: Act = async ({ cluster, healing }, fault) => {
  const state = stateOf(fault);
  cluster.setLinks(fault.links, state);
  await pause(fault.forMs, healing);
  cluster.openLinks();
  return { detail: `${fault.detail}${amountOf(state)}` };
};

function amountOf(state: LinkState): string {
  switch (state.kind) {
    case "delay":
      return `, up to ${state.ms} ms`;
    case "loss":
    case "midway":
      return `, ${Math.round(state.share * 100)} %`;
    case "trickle":
      return `, ${state.bytesPerSecond} bytes a second`;
    default:
      return "";
  }
}

/** One in so many does not jump and stay, but goes to and fro. */
const STROBES = 3;
const STROBE_MS = 150;

export const moveClock: Act = async (injector, { nodes, amount, forMs, seed, detail }) => {
  const { healing, recorder } = injector;
  const place = injector.place(nodes[0] ?? 0);
  const isStrobe = seed % STROBES === 0;
  if (isStrobe) {
    const endMs = recorder.nowMs() + forMs;
    for (let turn = 0; recorder.nowMs() < endMs && !healing.aborted; turn++) {
      place.shiftClock(turn % 2 === 0 ? amount : 0);
      await pause(STROBE_MS, healing);
    }
  } else {
    place.shiftClock(amount);
    await pause(forMs, healing);
  }
  place.rightClock();
  return { detail: isStrobe ? `${detail}, to and fro` : detail };
};
