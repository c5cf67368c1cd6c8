/** What a node does between being asked to stop and being gone. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { Deadline } from "./deadline.ts";
import { RunningCluster } from "./testing/running-cluster.ts";

let cluster: RunningCluster;

beforeEach(() => {
  cluster = new RunningCluster();
});

afterEach(() => cluster.dispose());

async function stateOn(observer: string, id: string): Promise<unknown> {
  const { body } = await cluster.get(observer, "/cluster");
  const members: unknown = Reflect.get(Object(body), "members");
  const found = Array.isArray(members)
    ? members.find((member) => Reflect.get(Object(member), "id") === id)
    : undefined;
  return Reflect.get(Object(found), "state");
}

it("hands its last writes to the others, says that it stops, and comes back as itself", async () => {
  await cluster.start("n1", "n2", "n3");
  const { nodeId } = cluster.server("n3");
  await Promise.all(Array.from({ length: 200 }, (_, i) => cluster.put("n3", `k${i}`, `value ${i}`)));
  await cluster.stop("n3");
  for (const name of ["n1", "n2"]) {
    expect(await stateOn(name, nodeId)).toBe("stopped");
    expect((await cluster.get(name, "/kv/k199")).body).toBe("value 199");
    expect((await cluster.get(name, "/kv/k0")).body).toBe("value 0");
  }
  await cluster.run("n3", "n1");
  expect(cluster.server("n3").nodeId).toBe(nodeId);
  await cluster.until("it is alive again", async () => (await stateOn("n1", nodeId)) === "alive");
});

it("is not kept from stopping by others that are gone", async () => {
  await cluster.start("n1", "n2");
  await cluster.stop("n1");
  const startedMs = performance.now();
  await cluster.put("n2", "k", "v");
  await cluster.stop("n2");
  expect(performance.now() - startedMs).toBeLessThan(8_000);
});

it("waits for a step until the deadline and no longer", async () => {
  const never = new Promise(() => undefined);
  const deadline = new Deadline(30);
  expect(await deadline.within(Promise.resolve())).toBe(true);
  expect(await deadline.until(() => true)).toBe(true);
  expect(await deadline.within(never)).toBe(false);
  expect(deadline.leftMs).toBeLessThan(10);
  expect(await deadline.until(() => false)).toBe(false);
  await expect(new Deadline(1000).within(Promise.reject(new Error("the step failed")))).rejects.toThrow(
    "failed",
  );
});
