/** Members that come back at other addresses: what they are told at their start is all that leads them to each other. */

import { platform } from "@hearsay/cli/simulation-platform";
import { PeerFault } from "@hearsay/node";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

const NAMES = ["a", "b", "c", "d"] as const;
const MINUTE_MS = 60_000;

const movedTo = (name: string): string => `${name}2`;

/** From now on the machine is at another address, and nobody at its former one. */
function move(cluster: VirtualCluster, name: string): void {
  const machine = cluster.machine(name);
  const there = cluster.machine(movedTo(name));
  Object.defineProperty(there, "run", { get: () => machine.run });
  Object.defineProperty(machine, "address", { value: there.address });
  for (const other of NAMES) cluster.links.cut(`${movedTo(other)}:1`, `${name}:1`);
}

function livePeers(cluster: VirtualCluster): number[] {
  return NAMES.map((name) => cluster.machine(name).running.membership.livePeers().length);
}

test("nodes that have all moved, and could not reach each other at first, find each other by the addresses they were told", async () => {
  const cluster = new VirtualCluster(platform, 5);
  await cluster.start(...NAMES);
  for (const name of NAMES) await cluster.stop(name);
  for (const name of NAMES) move(cluster, name);
  const [left, right] = [NAMES.slice(0, 2).map(movedTo), NAMES.slice(2).map(movedTo)];
  cluster.partition(left, right);
  for (const name of NAMES)
    await cluster.run(
      name,
      NAMES.map((other) => `${movedTo(other)}:1`),
    );
  await cluster.time.advance(MINUTE_MS);
  expect(livePeers(cluster)).toEqual([1, 1, 1, 1]);
  for (const one of left) for (const other of right) cluster.mend(one, other);
  await cluster.time.until("all see all", () => livePeers(cluster).every((live) => live === 3), MINUTE_MS);
});

test.each([
  ["answers long after its node was started", 40_000],
  ["leads to nobody while its node starts", 0],
])(
  "a name that %s neither holds the start up nor hides a member that has moved",
  async (_, answersAfterMs) => {
    const cluster = new VirtualCluster(platform, 6);
    await cluster.start("a", "b");
    for (const name of ["a", "b"]) await cluster.stop(name);
    move(cluster, "a");
    cluster.links.cut("b:1", "a:1");
    let lookups = 0;
    cluster.hooks.push({
      memberPorts: (ports, { name }) => {
        if (name === "b") return { ...ports, resolveSeed };
        // Nor would a find b by itself.
        const request: typeof ports.transport.request = async (to, message, timeoutMs) => {
          if (to.address === "b:1") throw new PeerFault({ code: "unreachable" });
          return await ports.transport.request(to, message, timeoutMs);
        };
        return { ...ports, transport: { request } };
      },
    });
    const resolveSeed = async (): Promise<readonly string[]> => {
      lookups += 1;
      if (answersAfterMs > 0) await cluster.time.sleep(answersAfterMs);
      return lookups === 1 && answersAfterMs === 0 ? [] : [`${movedTo("a")}:1`];
    };
    await cluster.run("a", []);
    let isStarted = false;
    void cluster.begin("b", ["dns:a:1"]).then(() => {
      isStarted = true;
    });
    await cluster.time.advance(2000);
    expect(isStarted).toBe(true);
    const { membership } = cluster.machine("b").running;
    await cluster.time.until("b sees a", () => membership.livePeers().length === 1, 2 * MINUTE_MS);
  },
);
