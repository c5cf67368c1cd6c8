/**
 * What rumors are measured against (Demers et al., 1987, section 1.2; Hadzilacos, Toueg, 1994): the writer mails each node, or
 * every node tells all others once. One write, with all well, with links that lose messages, and with a writer that fails.
 */
import { type CycleExperiment, meanOfCycles } from "../machines/rumor-cycles.ts";
import { type Figure, type PaperSettings, type PaperTable, percent } from "./figure.ts";

const NODES = 200;
const RUNS = 10;
const K = 4;
const LOSS = 0.05;
const CYCLES_MAX = 1000;

type Method = Pick<CycleExperiment, "mode"> & { readonly name: string };

const METHODS: readonly Method[] = [
  { name: "point-to-point mail", mode: "mail" },
  { name: "eager broadcast", mode: "eager" },
  { name: "push", mode: "push" },
  { name: "pull", mode: "pull" },
  { name: "push-pull", mode: "push_pull" },
];

/** Where the source says what is to be seen: mail loses what is lost, and what a failed writer has not sent; broadcast does not. */
function residueBand(mode: CycleExperiment["mode"], loss: number, writerFails: boolean) {
  const few = 0.02;
  if (mode === "eager") return { text: "none", band: [0, 0] } as const;
  if (mode !== "mail") return undefined;
  if (writerFails) return { text: "half", band: [0.5 - few, 0.5 + few] } as const;
  return loss > 0
    ? ({ text: `${loss}`, band: [loss - few, loss + few] } as const)
    : ({ text: "none", band: [0, 0] } as const);
}

export function baselines(settings: PaperSettings): PaperTable {
  const { nodes = NODES, k = K, fanout = 1, loss = LOSS, runs = RUNS } = settings;
  const troubles = [
    { name: "all well", loss: 0, writerFails: false },
    { name: `${percent(loss)} of messages lost`, loss, writerFails: false },
    { name: "the writer fails half-way through its first cycle", loss: 0, writerFails: true },
  ];
  const figures = troubles.flatMap((trouble) =>
    METHODS.flatMap(({ name, mode }): Figure[] => {
      const result = meanOfCycles(
        {
          nodes,
          mode,
          interest: "feedback_counter",
          k,
          fanout,
          cyclesMax: CYCLES_MAX,
          loss: trouble.loss,
          writerFails: trouble.writerFails,
        },
        runs,
      );
      const expected = residueBand(mode, trouble.loss, trouble.writerFails);
      const plain = (what: string, measured: number): Figure => ({
        setting: `${trouble.name}: ${name}`,
        name: what,
        published: undefined,
        measured,
        band: undefined,
      });
      return [
        { ...plain("residue", result.residue), published: expected?.text, band: expected?.band },
        plain("messages per node", result.messages),
        plain("bytes per node", result.bytes),
        plain("cycles", result.lastCycle),
      ];
    }),
  );
  return {
    name: "baselines",
    source: "Demers et al., 1987, section 1.2: direct mail; flooding",
    setting: `${nodes} nodes, a value of 100 bytes, rumors with k = ${k} and ${fanout} contacts a cycle, mean of ${runs} runs`,
    figures,
  };
}
