/**
 * What rumors are measured against (Demers et al., 1987, section 1.2; Hadzilacos, Toueg, 1994): the writer mails each node, or
 * every node tells all others once. One write, with all well, with links that lose messages, and with a writer that fails.
 */
import { type CycleExperiment, meanOfCycles } from "../machines/rumor-cycles.ts";
import { binomialBand, OUTSIDE, unreachedChance } from "./chance.ts";
import { type Band, type Figure, type PaperSettings, type PaperTable, percent } from "./figure.ts";

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

interface Trouble {
  readonly name: string;
  readonly loss: number;
  readonly writerFails: boolean;
}

interface Expected {
  readonly text: string;
  /** In nodes that never hear of it, in all runs together. */
  readonly missing: Band;
}

/**
 * Where the source says what is to be seen: mail loses what is lost, and what a failed writer has not sent; broadcast does not, as
 * long as it is beyond chance that all messages to somebody are lost.
 */
function expectedOf(
  mode: CycleExperiment["mode"],
  { loss, writerFails }: Trouble,
  { nodes, runs }: { readonly nodes: number; readonly runs: number },
): Expected | undefined {
  if (mode === "eager") {
    const isSure = runs * unreachedChance(nodes, loss) <= OUTSIDE;
    return isSure ? { text: "none", missing: [0, 0] } : undefined;
  }
  if (mode !== "mail") return undefined;
  const others = nodes - 1;
  if (writerFails) {
    const unsent = runs * Math.floor(others / 2);
    return { text: "half of the others", missing: [unsent, unsent] };
  }
  const text = loss > 0 ? `${loss} of the others` : "none";
  return { text, missing: binomialBand(runs * others, loss) };
}

export function baselines(settings: PaperSettings): PaperTable {
  const { nodes = NODES, k = K, fanout = 1, loss = LOSS, runs = RUNS } = settings;
  const troubles: readonly Trouble[] = [
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
      const expected = expectedOf(mode, trouble, { nodes, runs });
      // As a count, which is exact where a mean of shares is not.
      const share = (missing: number): number => missing / (nodes * runs);
      const residue = share(Math.round(result.residue * nodes * runs));
      const plain = (what: string, measured: number): Figure => ({
        setting: `${trouble.name}: ${name}`,
        name: what,
        published: undefined,
        measured,
        band: undefined,
      });
      return [
        {
          ...plain("residue", residue),
          published: expected?.text,
          band: expected && [share(expected.missing[0]), share(expected.missing[1])],
        },
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
