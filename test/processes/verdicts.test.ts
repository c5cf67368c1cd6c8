import { afterEach, beforeEach, expect, test } from "vitest";
import { ProcessCluster } from "./process-cluster.ts";

let cluster: ProcessCluster;

beforeEach(() => {
  cluster = new ProcessCluster();
});

afterEach(() => cluster.dispose());

const named = (...names: readonly string[]): object[] =>
  names.map((name) => expect.objectContaining({ name }));

test("while a node is cut off both sides say so and name each other, and no longer once the links are back", async () => {
  await cluster.start("a", "b", "c");
  for (const name of ["a", "b", "c"])
    await cluster.asks(name, "/cluster/convergence", { verdict: "converged" });
  cluster.partition(["c"], ["a", "b"]);
  const version = await cluster.put("c", "only here", "v");
  const here = { sides: { reachable: named("c"), unreachable: named("a", "b") } };
  const there = { sides: { reachable: named("a", "b"), unreachable: named("c") } };
  await cluster.asks("c", "/cluster/convergence", { verdict: "partitioned", ...here });
  await cluster.asks("a", "/cluster/convergence", {
    verdict: "partitioned",
    ...there,
    heldBackBy: named("c"),
  });
  const receipt = `/cluster/receipt?key=only%20here&version=${version}`;
  await cluster.asks("c", receipt, {
    everywhere: false,
    complete: false,
    holders: named("c"),
    unknown: named("a", "b"),
  });
  await cluster.asks("c", "/cluster/safe-to-stop", { safe: false });
  cluster.heal();
  const waited = await cluster.ask("c", `${receipt}&wait=all&timeout=30s`);
  expect(waited).toMatchObject({ everywhere: true, lacking: [], unknown: [] });
  for (const name of ["a", "b", "c"]) {
    await cluster.asks(name, "/cluster/convergence", { verdict: "converged", heldBackBy: [] });
  }
  await cluster.asks("c", "/cluster/safe-to-stop", { safe: true, reasons: [] });
});
