/** The published tables that are formulas: memberlist's limits and time-outs, and φ of the accrual detector. */
import { phi, retransmitLimit, suspicionMinMs, suspicionTimeoutMs } from "@hearsay/core";
import type { Figure, PaperTable } from "./figure.ts";

const MS = 1000;

const RETRANSMITS: readonly (readonly [mult: number, nodes: number, limit: number])[] = [
  [3, 0, 0],
  [3, 1, 3],
  [3, 99, 6],
];

const SHORTEST_MS: readonly (readonly [nodes: number, ms: number])[] = [
  [5, 1000],
  [50, 1698],
  [100, 2000],
  [500, 2698],
  [1000, 3000],
];

const REMAINING: readonly (readonly [confirmations: number, elapsedSeconds: number, seconds: number])[] = [
  [0, 0, 30],
  [1, 2, 14],
  [2, 3, 4.81],
  [3, 4, -2],
];

function exactly(setting: string, name: string, published: number, measured: number): Figure {
  return { setting, name, published: `${published}`, measured, band: [published, published] };
}

export function memberlist(): PaperTable {
  const limits = RETRANSMITS.map(([mult, nodes, limit]) =>
    exactly(`mult ${mult}, ${nodes} nodes`, "retransmit limit", limit, retransmitLimit(mult, nodes)),
  );
  const mult = 4;
  const shortest = SHORTEST_MS.map(([nodes, ms]) =>
    exactly(
      `${nodes} nodes, interval 1 s`,
      "shortest suspicion / mult, ms",
      ms,
      suspicionMinMs(mult, nodes, MS) / mult,
    ),
  );
  const remaining = REMAINING.map(([confirmations, elapsed, seconds]) => {
    const timeoutMs = suspicionTimeoutMs(confirmations, 3, 2 * MS, 30 * MS);
    return exactly(
      `k = 3, 2 to 30 s, ${confirmations} confirmations, ${elapsed} s elapsed`,
      "remaining suspicion, s",
      seconds,
      timeoutMs / MS - elapsed,
    );
  });
  return {
    name: "memberlist",
    source: "hashicorp/memberlist, its tests of retransmitLimit, suspicionTimeout and remainingSuspicionTime",
    setting: "the functions the machines call",
    figures: [...limits, ...shortest, ...remaining],
  };
}

const PHI: readonly (readonly [elapsedMs: number, phi: number])[] = [
  [0, 0],
  [500, 0.1],
  [1000, 0.3],
  [1200, 1.6],
  [1400, 4.7],
  [1600, 10.8],
  [1700, 15.3],
];
const PHI_TOLERANCE = 0.1;

export function phiAccrual(): PaperTable {
  const meanMs = 1000;
  const deviationMs = 100;
  return {
    name: "phi",
    source: "Hayashibara et al., The φ accrual failure detector, 2004, with the logistic approximation",
    setting: `mean ${meanMs} ms, deviation ${deviationMs} ms`,
    figures: PHI.map(([elapsedMs, published]) => ({
      setting: `${elapsedMs} ms of silence`,
      name: "φ",
      published: published.toFixed(1),
      measured: phi(elapsedMs, meanMs, deviationMs),
      band: [published - PHI_TOLERANCE, published + PHI_TOLERANCE],
    })),
  };
}
