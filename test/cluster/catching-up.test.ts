import { platform } from "@hearsay/cli/simulation-platform";
import type { MemberPorts } from "@hearsay/node";
import { VirtualCluster } from "@hearsay/simulator";
import { expect, test } from "vitest";

const KEYS = 300;
const BUCKET_MS = 100;
const MINUTE_MS = 60_000;

/** Reads one bucket at a time, and takes long for each: one that is short of processor time, whoever asks. */
function slowly(cluster: VirtualCluster, { digests }: MemberPorts): MemberPorts["digests"] {
  let last: Promise<unknown> = Promise.resolve();
  const turn = (): Promise<void> => new Promise((resolve) => cluster.time.after(BUCKET_MS, resolve));
  return {
    root: () => digests.root(),
    children: (level, index) => digests.children(level, index),
    listBucket: (bucket) => {
      const listed = last.then(turn).then(() => digests.listBucket(bucket));
      last = listed.catch(() => undefined);
      return listed;
    },
  };
}

test("a node that comes with an empty disk and is slow catches up, although reading all buckets once takes three times a request's time", async () => {
  const cluster = new VirtualCluster(platform, 71);
  const others = ["a", "b", "c", "d"];
  await cluster.start(...others);
  for (let i = 0; i < KEYS; i++) await cluster.put("a", `key-${i}`, "v");
  await cluster.converged(...others);
  await cluster.time.advance(MINUTE_MS);
  cluster.hooks.push({
    memberPorts: (ports, { name }) => (name === "e" ? { ...ports, digests: slowly(cluster, ports) } : ports),
  });
  await cluster.run("e", ["a:1"]);
  await cluster.converged(...others, "e");
  const { running } = cluster.machine("e");
  await cluster.time.until("e is complete", () => running.keeper.completeness.complete, 2 * MINUTE_MS);
  expect(cluster.read("e", `key-${KEYS - 1}`)).toBe("v");
});
