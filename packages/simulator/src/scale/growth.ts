/** How a figure grows with the number of nodes: the curve that fits best, by least squares, where the points are enough to tell. */

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

/** A curve has to come this much nearer than another one, or the difference is noise. */
const NEARER = 0.5;
/** Points that lie within this share of their mean are constant. */
const FLAT = 0.05;
/** Fewer say nothing: any curve goes through two. */
const POINTS_MIN = 3;
/** Fewer are no evidence of a slope by {@link criterion}, however near a curve comes. */
const SLOPE_POINTS_MIN = 5;

/**
 * A slope is told where a curve with one is more likely than a constant, comes much nearer, and comes much nearer than the other
 * curve. Undefined where the points do not tell.
 */
export function growthOf(given: readonly Point[]): Growth | undefined {
  // Seeds are fixed: a size that is measured twice says the same twice.
  const points = [...new Map(given.map((point) => [point.nodes, point])).values()];
  if (points.length < POINTS_MIN) return undefined;
  const constant = fit(points, "constant");
  if (constant.error <= FLAT) return constant;
  if (points.length < SLOPE_POINTS_MIN) return undefined;
  const [best, other] = [fit(points, "log2 n"), fit(points, "n")].sort((a, b) => a.error - b.error);
  if (best === undefined || other === undefined) return undefined;
  const isLikelier = criterion(best, points.length) < criterion(constant, points.length);
  const isNearer = best.error < NEARER * Math.min(constant.error, other.error);
  return isLikelier && isNearer ? best : undefined;
}

/**
 * Akaike's criterion, corrected for few points: Hurvich and Tsai, "Regression and time series model selection in small samples"
 * (1989). The less, the likelier is the curve. The spread around it is a parameter too.
 */
function criterion({ shape, error }: Growth, points: number): number {
  const parameters = shape === "constant" ? 2 : 3;
  const forFew = (parameters * (parameters + 1)) / (points - parameters - 1);
  return 2 * (points * Math.log(error) + parameters + forFew);
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

export function formatGrowth(growth: Growth | undefined): string {
  if (growth === undefined) return "too few to tell";
  const { shape, base, slope } = growth;
  if (shape === "constant") return `about ${shown(base)}`;
  return `${shown(base)} ${slope < 0 ? "-" : "+"} ${shown(Math.abs(slope))} ${shape}`;
}

function shown(value: number): string {
  return Number(value.toPrecision(3)).toString();
}
