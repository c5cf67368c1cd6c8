/** One published figure beside the measured one, and the table they stand in. */

/** Both ends inclusive. */
export type Band = readonly [number, number];

export interface Figure {
  /** The setting the figure belongs to, for instance `push, counter, k = 2`. */
  readonly setting: string;
  readonly name: string;
  /** As it is written in the source; undefined where nothing is published for this setting. */
  readonly published: string | undefined;
  readonly measured: number;
  /** Undefined where nothing is published. */
  readonly band: Band | undefined;
}

export interface PaperTable {
  readonly name: string;
  readonly source: string;
  /** What was run. */
  readonly setting: string;
  readonly figures: readonly Figure[];
}

/** What the user asks for beyond the papers' settings; undefined leaves the paper's. */
export interface PaperSettings {
  readonly nodes: number | undefined;
  readonly k: number | undefined;
  readonly fanout: number | undefined;
  /** Share of messages lost. */
  readonly loss: number | undefined;
  /** Runs of each setting, with seeds 1, 2, and so on. */
  readonly runs: number | undefined;
}

export const AS_PUBLISHED: PaperSettings = {
  nodes: undefined,
  k: undefined,
  fanout: undefined,
  loss: undefined,
  runs: undefined,
};

/** `0.07` as `7%`, without the digits that multiplying leaves. */
export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(6))}%`;
}

export function isWithin(figure: Figure): boolean {
  if (figure.band === undefined) return true;
  const [least, most] = figure.band;
  return figure.measured >= least && figure.measured <= most;
}

/**
 * The band around a published mean that was itself rounded: half of its last digit, and as far as the mean of so many runs strays
 * when one run strays by `deviation`.
 * @param published as printed in the source, for instance `.0036` or `5.8e-4`
 */
export function bandAround(published: string, deviation: number, runs: number): Band {
  const wide = halfOfLastDigit(published) + (DEVIATIONS * deviation) / Math.sqrt(runs);
  return [Math.max(0, Number(published) - wide), Number(published) + wide];
}

/** One mean in 2,000 lies further off. */
const DEVIATIONS = 3.5;

function halfOfLastDigit(text: string): number {
  const [mantissa = "", exponent = "0"] = text.split("e");
  const decimals = mantissa.split(".")[1]?.length ?? 0;
  return 0.5 * 10 ** (Number(exponent) - decimals);
}
