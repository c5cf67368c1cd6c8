/**
 * Rounds until all nodes know one rumor that nobody loses interest in, every node calling one random other a round.
 *
 * Push: Doerr and Künnemann, "Tight analysis of randomized rumor spreading in complete graphs" (2014). Pull, and push-pull
 * in the phone call model: Doerr and Kostrygin, "Randomized rumor spreading revisited" (2017), where the expectation is
 * known up to an additive constant; the band allows it two rounds to either side.
 */
import { type CycleExperiment, meanOfCycles } from "../machines/rumor-cycles.ts";
import { cycleSetting } from "./demers.ts";
import type { Band, Figure, PaperSettings, PaperTable } from "./figure.ts";

const SIZES: readonly number[] = [100, 1000, 10_000];
const RUNS = 20;
const CYCLES_MAX = 10_000;
const CONSTANT = 2;

export type SpreadMode = "push" | "pull" | "push_pull";
export const SPREAD_MODES: readonly SpreadMode[] = ["push", "pull", "push_pull"];

/** The expected number of rounds: its bounds, and how they are written. */
function expected(mode: SpreadMode, nodes: number): { readonly text: string; readonly band: Band } {
  if (mode === "push") {
    const band: Band = [
      Math.floor(Math.log2(nodes)) + Math.log(nodes) - 1.116,
      Math.ceil(Math.log2(nodes)) + Math.log(nodes) + 2.765,
    ];
    return { text: `${band[0].toFixed(1)} to ${band[1].toFixed(1)}`, band };
  }
  const base = mode === "pull" ? 2 : 3;
  const middle = Math.log(nodes) / Math.log(base) + Math.log2(Math.log(nodes));
  return { text: `${middle.toFixed(1)} + O(1)`, band: [middle - CONSTANT, middle + CONSTANT] };
}

/** The experiment of one curve: one rumor, until all know it. */
export function endless(
  mode: SpreadMode,
  settings: { readonly nodes: number; readonly fanout: number; readonly loss: number },
): Omit<CycleExperiment, "seed"> {
  return {
    ...settings,
    mode,
    interest: "feedback_counter",
    k: Number.POSITIVE_INFINITY,
    cyclesMax: CYCLES_MAX,
  };
}

export function rounds(settings: PaperSettings): PaperTable {
  const { fanout = 1, loss = 0, runs = RUNS } = settings;
  const sizes = settings.nodes === undefined ? SIZES : [settings.nodes];
  const isPublished = fanout === 1 && loss === 0;
  const figures = SPREAD_MODES.flatMap((mode) =>
    sizes.map((nodes): Figure => {
      const { text, band } = expected(mode, nodes);
      return {
        setting: `${mode.replace("_", "-")}, ${nodes} nodes`,
        name: "rounds until all know",
        published: isPublished ? text : undefined,
        measured: meanOfCycles(endless(mode, { nodes, fanout, loss }), runs).lastCycle,
        band: isPublished ? band : undefined,
      };
    }),
  );
  return {
    name: "rounds",
    source: "Doerr, Künnemann, 2014 (push); Doerr, Kostrygin, 2017 (pull, push-pull)",
    setting: cycleSetting({ nodes: sizes.at(-1) ?? 0, fanout, loss, runs }).replace(/^\d+ nodes, /, ""),
    figures,
  };
}
