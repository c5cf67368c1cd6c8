/** What the benchmarks print: a figure, what it is compared with, and the target it has to reach. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target: { readonly atLeast: number } | { readonly atMost: number } | undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function print(figure: Figure): void {
  const { name, value, unit, target } = figure;
  const reached =
    target === undefined
      ? ""
      : "atLeast" in target
        ? `  (at least ${target.atLeast}: ${value >= target.atLeast ? "reached" : "NOT reached"})`
        : `  (at most ${target.atMost}: ${value <= target.atMost ? "reached" : "NOT reached"})`;
  process.stdout.write(`${name.padEnd(64)} ${round(value)} ${unit}${reached}\n`);
}

function round(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
