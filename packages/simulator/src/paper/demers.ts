/** Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (1987), tables 1 to 3: 1,000 sites. */
import { type CycleExperiment, meanOfCycles } from "../machines/rumor-cycles.ts";
import { bandAround, type Figure, type PaperSettings, type PaperTable, percent } from "./figure.ts";

/** As printed, and the standard deviation of one run, measured over 100. */
type Published = readonly [text: string, deviation: number];

interface Row {
  readonly k: number;
  readonly residue: Published;
  readonly traffic: Published;
  readonly lastCycle: Published;
}

interface Variant {
  readonly name: string;
  readonly mode: "push" | "pull";
  readonly interest: CycleExperiment["interest"];
  readonly rows: readonly Row[];
}

const NODES = 1000;
const RUNS = 50;
const CYCLES_MAX = 1000;

const VARIANTS: readonly Variant[] = [
  {
    name: "table 1: push, feedback and counter",
    mode: "push",
    interest: "feedback_counter",
    rows: [
      { k: 1, residue: [".18", 0.015], traffic: ["1.7", 0.036], lastCycle: ["16.8", 1.3] },
      { k: 2, residue: [".037", 0.0067], traffic: ["3.3", 0.033], lastCycle: ["16.9", 1.1] },
      { k: 3, residue: [".011", 0.0031], traffic: ["4.5", 0.031], lastCycle: ["17.4", 1.2] },
      { k: 4, residue: [".0036", 0.0018], traffic: ["5.6", 0.031], lastCycle: ["17.5", 1.3] },
      { k: 5, residue: [".0012", 0.001], traffic: ["6.7", 0.032], lastCycle: ["17.7", 1.1] },
    ],
  },
  {
    name: "table 2: push, blind and coin",
    mode: "push",
    interest: "blind_coin",
    rows: [
      { k: 1, residue: [".96", 0.021], traffic: [".04", 0.021], lastCycle: ["38", 21] },
      { k: 2, residue: [".20", 0.022], traffic: ["1.6", 0.075], lastCycle: ["33", 3.9] },
      { k: 3, residue: [".060", 0.01], traffic: ["2.8", 0.096], lastCycle: ["32", 3.7] },
      { k: 4, residue: [".021", 0.0044], traffic: ["3.9", 0.1], lastCycle: ["32", 4.0] },
      { k: 5, residue: [".008", 0.0026], traffic: ["4.9", 0.14], lastCycle: ["32", 6.3] },
    ],
  },
  {
    name: "table 3: pull, feedback and counter",
    mode: "pull",
    interest: "feedback_counter",
    rows: [
      { k: 1, residue: ["3.1e-2", 0.006], traffic: ["2.7", 0.033], lastCycle: ["17.6", 2.2] },
      { k: 2, residue: ["5.8e-4", 0.00082], traffic: ["4.5", 0.036], lastCycle: ["15.4", 1.8] },
      { k: 3, residue: ["4.0e-6", 6.3e-5], traffic: ["6.1", 0.042], lastCycle: ["14.0", 1.4] },
    ],
  },
];

export function demers(settings: PaperSettings): PaperTable {
  const { nodes = NODES, fanout = 1, loss = 0, runs = RUNS, k } = settings;
  const isPublished = nodes === NODES && fanout === 1 && loss === 0;
  const figures = VARIANTS.flatMap(({ name, mode, interest, rows }) => {
    const asked = k === undefined ? rows.map((row) => row.k) : [k];
    return asked.flatMap((each): Figure[] => {
      const experiment = { nodes, mode, interest, k: each, fanout, loss, cyclesMax: CYCLES_MAX };
      const { residue, traffic, lastCycle } = meanOfCycles(experiment, runs);
      const row = isPublished ? rows.find((candidate) => candidate.k === each) : undefined;
      const figure = (what: string, measured: number, published: Published | undefined): Figure => ({
        setting: `${name}, k = ${each}`,
        name: what,
        published: published?.[0],
        measured,
        band: published && bandAround(published[0], published[1], runs),
      });
      return [
        figure("residue s", residue, row?.residue),
        figure("updates per site m", traffic, row?.traffic),
        figure("cycle of the last site t", lastCycle, row?.lastCycle),
      ];
    });
  });
  return {
    name: "demers",
    source: "Demers et al., Epidemic Algorithms for Replicated Database Maintenance, 1987, tables 1 to 3",
    setting: cycleSetting({ nodes, fanout, loss, runs }),
    figures,
  };
}

export function cycleSetting(settings: {
  readonly nodes: number;
  readonly fanout: number;
  readonly loss: number;
  readonly runs: number;
}): string {
  const { nodes, fanout, loss, runs } = settings;
  return `${nodes} nodes, ${fanout} contacts a cycle, ${percent(loss)} of messages lost, mean of ${runs} runs`;
}
