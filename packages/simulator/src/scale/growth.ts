/** How a figure grows with the number of nodes: the curve that fits best, by least squares. */

export interface Point {
  readonly nodes: number;
  readonly value: number;
}

export interface Growth {
  readonly shape: "constant" | "log2 n" | "n";
  /** `base + slope * shape`. */
  readonly base: number;
  readonly slope: number;
  /** Root of the mean squared distance of the points from the curve, as a share of their mean. */
  readonly error: number;
}

const SHAPES = {
  constant: () => 0,
  "log2 n": (nodes: number) => Math.log2(nodes),
  n: (nodes: number) => nodes,
} as const;

/** A curve with a slope has to come this much nearer than a constant, or the difference is noise. */
const NEARER = 0.5;
/** Points that lie within this share of their mean are constant. */
const FLAT = 0.05;

/** Undefined for fewer than three points, through which any curve goes. */
export function growthOf(points: readonly Point[]): Growth | undefined {
  if (points.length < 3) return undefined;
  const constant = fit(points, "constant");
  const rising = [fit(points, "log2 n"), fit(points, "n")].sort((a, b) => a.error - b.error)[0];
  if (rising === undefined || constant.error <= FLAT) return constant;
  return rising.error < NEARER * constant.error ? rising : constant;
}

function fit(points: readonly Point[], shape: Growth["shape"]): Growth {
  const count = points.length;
  const x = points.map(({ nodes }) => SHAPES[shape](nodes));
  const meanX = x.reduce((sum, each) => sum + each, 0) / count;
  const meanY = points.reduce((sum, { value }) => sum + value, 0) / count;
  let together = 0;
  let squares = 0;
  for (const [i, { value }] of points.entries()) {
    const off = (x[i] ?? 0) - meanX;
    together += off * (value - meanY);
    squares += off * off;
  }
  const slope = squares === 0 ? 0 : together / squares;
  const base = meanY - slope * meanX;
  const error = points.reduce((sum, { value }, i) => sum + (value - base - slope * (x[i] ?? 0)) ** 2, 0);
  return { shape, base, slope, error: meanY === 0 ? 0 : Math.sqrt(error / count) / Math.abs(meanY) };
}

export function formatGrowth({ shape, base, slope }: Growth): string {
  if (shape === "constant") return `about ${shown(base)}`;
  return `${shown(base)} ${slope < 0 ? "-" : "+"} ${shown(Math.abs(slope))} ${shape}`;
}

function shown(value: number): string {
  return Number(value.toPrecision(3)).toString();
}
