/** Writes acknowledged by a quorum of three nodes, against durable writes of one node in the same run. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchCluster } from "./nodes.ts";
import { median, print } from "./report.ts";
import { wrk } from "./wrk.ts";

/** Short and many: what one node does changes by a third from one minute to the next, and the two are to see the same minute. */
const ROUNDS = 10;
const ROUND_SECONDS = 3;
/** Before anything is counted: a process just started runs code that is not compiled yet, three of them for longer. */
const WARM_UP_SECONDS = { one: 5, many: 15 };

export async function quorum(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hearsay-bench-"));
  const knobs = ["store.cacheMaxBytes=32MiB", "store.writeBufferBytes=8MiB"];
  const alone = await BenchCluster.start(join(directory, "alone"), 1, 1, knobs);
  const three = await BenchCluster.start(join(directory, "three"), 3, 1, knobs);
  try {
    const single = await script(directory, "single.lua", "");
    const acknowledged = await script(directory, "quorum.lua", "?ack=quorum");
    const [urlOfOne = "", urlOfMany = ""] = [alone.nodes[0]?.url, three.nodes[0]?.url];
    const connections = 64;
    await wrk({ connections, url: urlOfOne, seconds: WARM_UP_SECONDS.one, script: single });
    await wrk({ connections, url: urlOfMany, seconds: WARM_UP_SECONDS.many, script: acknowledged });
    const rates = { one: [] as number[], many: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      const load = { connections, seconds: ROUND_SECONDS };
      const one = await wrk({ ...load, url: urlOfOne, script: single });
      const many = await wrk({ ...load, url: urlOfMany, script: acknowledged });
      if (one.refused + many.refused > 0)
        throw new Error(`${one.refused} and ${many.refused} writes were refused`);
      rates.one.push(one.requestsPerSecond);
      rates.many.push(many.requestsPerSecond);
    }
    const ratios = rates.many.map((many, round) => many / (rates.one[round] ?? Number.NaN));
    const perSecond = { unit: "/s", target: undefined };
    print({ name: "  one node, durable", value: median(rates.one), ...perSecond });
    print({ name: "  three nodes, ack=quorum", value: median(rates.many), ...perSecond });
    print({ name: "  ratio of the worst round", value: Math.min(...ratios), unit: "x", target: undefined });
    print({ name: "  ratio of the best round", value: Math.max(...ratios), unit: "x", target: undefined });
    print({
      name: "ack=quorum on 3 nodes, of durable puts on one",
      value: median(ratios),
      unit: "x",
      target: { atLeast: 0.35 },
    });
  } finally {
    await three.stop();
    await alone.stop();
    await rm(directory, { recursive: true });
  }
}

async function script(directory: string, name: string, query: string): Promise<string> {
  const file = join(directory, name);
  await writeFile(
    file,
    `wrk.method = "PUT"
wrk.headers["Content-Type"] = "text/plain"
wrk.body = string.rep("v", 100)
local requests = {}
init = function()
  for i = 1, 100000 do requests[i] = wrk.format(nil, "/kv/bench/" .. i .. "${query}") end
end
local at = 0
request = function()
  at = at % 100000 + 1
  return requests[at]
end
`,
  );
  return file;
}
