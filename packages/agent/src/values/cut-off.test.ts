import type { ConvergenceReport } from "@hearsay/api";
import { afterEach, describe, expect, it } from "vitest";
import { ManualPorts } from "../ports.contract.ts";
import { CutOffWatch, type Reach, reachOf } from "./cut-off.ts";

let watch: CutOffWatch;
let answers: number;
afterEach(() => watch.stop());

/** Looks once for each of what the node says; an error: no node answers. */
async function looks(...said: readonly (Reach | undefined | Error)[]): Promise<ManualPorts> {
  const ports = new ManualPorts();
  const rest = [...said];
  answers = 0;
  watch = new CutOffWatch(async () => {
    answers += 1;
    const next = rest.shift();
    if (next instanceof Error) throw next;
    return next;
  }, ports);
  watch.start();
  for (let i = 1; i < said.length; i++) {
    await settled();
    ports.pass(10_000);
  }
  await settled();
  return ports;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const of = (reachable: number, members: number): Reach => ({ reachable, members });

describe("the node that is followed", () => {
  it("is cut off when it reaches no more than half, from the first look that says so on, and is told once", async () => {
    const ports = await looks(undefined, of(1, 3), of(1, 3));
    expect(watch.current).toEqual({ reachable: 1, members: 3, since: "2026-01-01T00:00:10.000Z" });
    expect(ports.logged).toEqual([
      { level: "warn", event: "node_cut_off", facts: { reachable: 1, members: 3 } },
    ]);
  });

  it("is not when it reaches most, or all again, and as before while nobody says", async () => {
    expect((await looks(of(2, 3))).logged).toEqual([]);
    expect(watch.current).toBeUndefined();
    const back = await looks(of(1, 2), undefined);
    expect(back.logged.map(({ event }) => event)).toEqual(["node_cut_off", "node_reaches_others"]);
    expect(watch.current).toBeUndefined();
    const silent = await looks(of(1, 2), new Error("unreachable"));
    expect(silent.logged.map(({ event }) => event)).toEqual(["node_cut_off"]);
    expect(watch.current).toMatchObject({ reachable: 1, since: "2026-01-01T00:00:00.000Z" });
    await looks(undefined, new Error("unreachable"));
    expect(watch.current).toBeUndefined();
  });

  it("is asked again soon when it has not answered", async () => {
    const ports = await looks(new Error("unreachable"));
    ports.pass(1_000);
    await settled();
    expect(answers).toBe(2);
  });
});

it("what a node reaches is what it says of convergence", () => {
  const member = (name: string) => ({ id: `${name}~0123456789`, name, state: "alive" }) as const;
  const facts = { watermark: null, watermarkAgeMs: null, heldBackBy: [], newsAgeMs: 0 };
  const sides = { reachable: [member("a")], unreachable: [member("b"), member("c")] };
  const partitioned: ConvergenceReport = { verdict: "partitioned", sides, ...facts };
  expect(reachOf(partitioned)).toEqual(of(1, 3));
  expect(reachOf({ verdict: "converged", ...facts })).toBeUndefined();
});
