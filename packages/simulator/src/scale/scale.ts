/** All experiments at scale, one by one, and how their figures grow. */
import { rumorScale, type ScaleName, type ScaleRun, swimScale, watermarkScale } from "./experiments.ts";
import { type Growth, growthOf } from "./growth.ts";

export const SCALE_NAMES: readonly ScaleName[] = ["rumors", "swim", "watermark"];

export const SCALE_SIZES: Readonly<Record<ScaleName, readonly number[]>> = {
  rumors: [100, 300, 1000, 3000, 10_000, 100_000],
  swim: [100, 200, 300, 500, 1000, 3000, 10_000],
  watermark: [100, 200, 300, 500, 1000, 3000, 10_000],
};

const RUN: Readonly<Record<ScaleName, (nodes: number) => ScaleRun>> = {
  rumors: rumorScale,
  swim: swimScale,
  watermark: watermarkScale,
};

export function runScale(experiment: ScaleName, nodes: number): ScaleRun {
  return RUN[experiment](nodes);
}

/** For each figure of one experiment of which it can be told. Runs that are not the whole of it count only where there are no other three. */
export function growthsOf(runs: readonly ScaleRun[]): ReadonlyMap<string, Growth> {
  const whole = runs.filter(({ note }) => note === undefined);
  const counted = whole.length >= 3 ? whole : runs;
  const growths = new Map<string, Growth>();
  for (const { name } of runs[0]?.measures ?? []) {
    const growth = growthOf(
      counted.map(({ nodes, measures }) => ({
        nodes,
        value: measures.find((measure) => measure.name === name)?.value ?? Number.NaN,
      })),
    );
    if (growth !== undefined) growths.set(name, growth);
  }
  return growths;
}
