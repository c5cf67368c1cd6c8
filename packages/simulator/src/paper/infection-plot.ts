/** Infection over rounds as a picture: how many know after each round, for push, pull and push-pull. */
import { meanOfCycles } from "../machines/rumor-cycles.ts";
import { type PaperSettings, percent } from "./figure.ts";
import { endless, SPREAD_MODES, type SpreadMode } from "./rounds.ts";

export interface Curve {
  readonly mode: SpreadMode;
  /** Share of the nodes that know after round 0, 1, 2 and so on; the mean of the runs. */
  readonly shares: readonly number[];
}

const NODES = 1000;
const RUNS = 10;

export function infectionCurves(settings: PaperSettings): readonly Curve[] {
  const { nodes = NODES, fanout = 1, loss = 0, runs = RUNS } = settings;
  return SPREAD_MODES.map((mode) => {
    const { known } = meanOfCycles(endless(mode, { nodes, fanout, loss }), runs);
    return { mode, shares: [1, ...known].map((count) => count / nodes) };
  });
}

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 64;
const RIGHT = 24;
const TOP = 48;
const BOTTOM = 56;
const COLOURS: Readonly<Record<SpreadMode, string>> = {
  push: "#1f77b4",
  pull: "#d95f02",
  push_pull: "#2a9d3a",
};
const TICKS = 5;

/** A picture of its own: no script, no font and no style from elsewhere. */
export function infectionSvg(curves: readonly Curve[], settings: PaperSettings): string {
  const { nodes = NODES, fanout = 1, loss = 0, runs = RUNS } = settings;
  const lastRound = Math.max(1, ...curves.map(({ shares }) => shares.length - 1));
  const x = (round: number): string => (LEFT + (round / lastRound) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (share: number): string => (HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const title = `Nodes that know, of ${nodes}: ${fanout} contact${fanout === 1 ? "" : "s"} a round, ${percent(loss)} lost, mean of ${runs} runs`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="26" font-size="15">${title}</text>`,
    ...sharesAxis(x(0), x(lastRound), y),
    ...roundsAxis(lastRound, x, y(0)),
    ...curves.map(({ mode, shares }) => {
      const points = shares.map((share, round) => `${x(round)},${y(share)}`).join(" ");
      return `<polyline fill="none" stroke="${COLOURS[mode]}" stroke-width="2.5" points="${points}"/>`;
    }),
    ...curves.map(({ mode, shares }, i) => {
      const at = TOP + 20 + i * 20;
      const name = `${mode.replace("_", "-")}: all after ${shares.length - 1} rounds at most`;
      return `<path d="M${LEFT + 12} ${at - 4}h24" stroke="${COLOURS[mode]}" stroke-width="2.5"/><text x="${LEFT + 44}" y="${at}">${name}</text>`;
    }),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function sharesAxis(left: string, right: string, y: (share: number) => string): string[] {
  return Array.from({ length: TICKS + 1 }, (_, i) => {
    const share = i / TICKS;
    return `<path d="M${left} ${y(share)}H${right}" stroke="#ddd"/><text x="${LEFT - 8}" y="${y(share)}" dy="4" text-anchor="end">${share * 100}%</text>`;
  });
}

function roundsAxis(lastRound: number, x: (round: number) => string, bottom: string): string[] {
  const step = Math.max(1, Math.ceil(lastRound / 12));
  const ticks: string[] = [];
  for (let round = 0; round <= lastRound; round += step) {
    ticks.push(`<text x="${x(round)}" y="${bottom}" dy="20" text-anchor="middle">${round}</text>`);
  }
  return [...ticks, `<text x="${x(lastRound / 2)}" y="${bottom}" dy="42" text-anchor="middle">rounds</text>`];
}
