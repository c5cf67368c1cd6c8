import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  documents,
  endAllNodes,
  type Finished,
  hearsay,
  startNode,
  temporaryDirectory,
} from "./cli-process.ts";
import { type DevNode, endAllDevs, isRunning, type RunningDev, startDev } from "./dev-process.ts";

/** What the nodes wait for is a fraction of what it is by default. */
const QUICK = [
  "swim.probeIntervalMs=250",
  "swim.probeTimeoutMs=200",
  "swim.reconnectIntervalMs=300",
  "swim.pushPullIntervalMs=1000",
  "antiEntropy.intervalMs=100",
  "gossip.stateIntervalMs=100",
].flatMap((assignment) => ["--set", assignment]);

const PATIENCE = { timeout: 45_000, interval: 50 };

const directory = temporaryDirectory();
let dev: RunningDev;

beforeAll(async () => {
  dev = await startDev(directory.path, "--data", "nodes", ...QUICK);
});

afterAll(async () => {
  await endAllDevs();
  await endAllNodes();
  directory.remove();
});

function node(name: string): DevNode {
  const found = dev.nodes.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

/** Asks the API itself where something is waited for: a command would take a process for each look. */
async function members(): Promise<readonly string[]> {
  const answer = await fetch(`${node("n1").url}/cluster`);
  const status = (await answer.json()) as { members: { name: string; state: string }[] };
  return status.members.map(({ name, state }) => `${name} ${state}`);
}

async function valueAt(url: string, key: string): Promise<string> {
  return await (await fetch(`${url}/kv/${key}`)).text();
}

/** Runs a command against a node. */
function at(name: string, ...args: readonly string[]): Promise<Finished> {
  return hearsay(args, { env: { HEARSAY_ENDPOINT: node(name).url } });
}

/** The one JSON document a command prints. */
async function document(name: string, ...args: readonly string[]): Promise<unknown> {
  const [found] = documents(await at(name, ...args, "--json"));
  return found;
}

// One story: each part takes the cluster as the one before has left it.
describe("a cluster of three", () => {
  it("is described by members, status and top", async () => {
    expect((await at("n2", "wait", "--converged")).text).toBe("converged: all members hold the same\n");
    expect((await at("n3", "wait", "--complete")).text).toMatch(/^complete: /);
    const members = (await at("n1", "members")).text;
    for (const { name, id, url } of dev.nodes) {
      expect(members).toMatch(new RegExp(`^${name} .*alive +${new URL(url).host} .*${id}`, "m"));
    }
    expect(await document("n2", "status")).toMatchObject({
      node: node("n2").id,
      totals: { members: 3, live: 3 },
      convergence: { verdict: "converged" },
    });
    expect((await at("n3", "status")).text).toMatch(/^members +3, 3 of them live$/m);
    expect(await at("n1", "top", "--once")).toMatchObject({
      code: 0,
      text: expect.stringMatching(/^n1 \* +alive/m),
    });
  });

  it("has receipts to wait for, and nothing to repair", async () => {
    const { text } = await at("n1", "put", "k@odd", "v");
    const receipt = await at("n2", "wait", `k@odd@${text.trim()}`, "--timeout", "30s");
    expect(receipt).toMatchObject({ code: 0, err: "" });
    expect(receipt.text.match(/holds it/g)).toHaveLength(3);
    await at("n1", "wait");
    expect(await at("n1", "diff", "n2")).toMatchObject({ code: 0, text: "n2 holds the same\n" });
    const repaired = documents(await at("n1", "repair", "--json"));
    expect(repaired.at(-1)).toMatchObject({ event: "end", members: 2, failed: 0 });
    expect(await at("n1", "verify")).toMatchObject({
      code: 0,
      err: "",
      text: expect.stringContaining("n3 holds the same"),
    });
  });

  it("has requests that curl can make", async () => {
    const curl = `curl -sS ${node("n1").url}/cluster`;
    expect((await at("n1", "members", "--curl")).text).toBe(`${curl}\n`);
    expect((await at("n1", "forget", "n2", "--yes", "--curl")).text).toContain(
      `'{"node":"n2","confirm":true}'`,
    );
    // Without --yes the first request is the one that asks what may be lost.
    expect((await at("n1", "forget", "n2", "--curl")).text).toContain(`'{"node":"n2"}'`);
  });

  it("does not forget who is alive, or whom it does not know", async () => {
    expect(await at("n1", "forget", "n2", "--yes")).toMatchObject({
      code: 1,
      err: expect.stringContaining("alive"),
    });
    expect(await at("n1", "forget", "n9", "--yes")).toMatchObject({ code: 3, text: "" });
    expect(await at("n1", "diff", "n9")).toMatchObject({ code: 3, text: "" });
  });
});

describe("a cluster behind one address", () => {
  /**
   * Answers each request by the next node, and says with a verdict on convergence which one gave it, as the age of its news. The node
   * with the name says of itself that it has not caught up.
   */
  async function balanced(behind: string, ...args: readonly string[]): Promise<Finished> {
    let turn = 0;
    const balancer = createServer((request, response) => {
      const { url = "", headers: asked } = request;
      const asks = turn++ % dev.nodes.length;
      const { url: origin, name } = dev.nodes[asks] ?? node("n1");
      void fetch(origin + url, { headers: { accept: asked.accept ?? "*/*" } }).then(async (answer) => {
        let text = Buffer.from(await answer.arrayBuffer()).toString("latin1");
        const lacks = { ready: true, checks: [{ name: "complete", ok: false, detail: "behind" }] };
        if (name === behind && url.startsWith("/readyz")) text = JSON.stringify(lacks);
        if (url === "/cluster/convergence") text = text.replace(/"newsAgeMs":\d+/, `"newsAgeMs":${asks}`);
        const headers = [...answer.headers].filter(([field]) => field !== "content-length");
        response.writeHead(answer.status, headers.flat()).end(text, "latin1");
      });
    });
    await new Promise<void>((resolve) => balancer.listen(0, "127.0.0.1", resolve));
    const { port } = balancer.address() as AddressInfo;
    const finished = await hearsay([...args, "-e", `http://127.0.0.1:${port}`]);
    balancer.close();
    return finished;
  }

  it("is verified as one node sees it, whichever answers each time", async () => {
    const verified = await balanced("none", "verify", "--json");
    expect(verified).toMatchObject({ code: 0, err: "" });
    const [report] = documents(verified) as [{ node: string; members: { id: string; result: string }[] }];
    const compared = report.members.map(({ id, result }) => `${id} ${result}`);
    const others = dev.nodes.filter(({ id }) => id !== report.node);
    expect(compared).toEqual(others.map(({ id }) => `${id} equal`));
    expect(others).toHaveLength(2);
  });

  it.each([["status"], ["top", "--once"]])("is shown by %s as one node sees it", async (...command) => {
    const [shown] = documents(await balanced("none", ...command, "--json")) as [
      { node: string; convergence: { newsAgeMs: number } },
    ];
    expect(dev.nodes[shown.convergence.newsAgeMs]?.id).toBe(shown.node);
  });

  it.each([["export"], ["snapshot", "save", join(directory.path, "one.snapshot")]])(
    "is warned of by the node that %s takes it from, where that one has not caught up",
    async (...command) => {
      const saved = await balanced("n1", ...command);
      expect(saved).toMatchObject({ code: 0, err: expect.stringContaining("has not caught up") });
    },
  );
});

describe("a cluster with one node down", () => {
  it("is not converged, and says who keeps the deletions", async () => {
    await at("n1", "put", "gone", "v", "--ack", "all");
    process.kill(node("n3").pid, "SIGKILL");
    await expect.poll(dev.said, PATIENCE).toContain("n3: ended with SIGKILL");
    await at("n1", "del", "gone");
    await expect.poll(members, PATIENCE).not.toContain("n3 alive");
    expect((await at("n1", "tombstones")).text).toMatch(/n3 \(\w+\) holds the removal back/);
    expect(await document("n1", "tombstones")).toMatchObject({
      count: 1,
      blockedBy: [{ id: node("n3").id }],
    });
    const waited = await at("n1", "wait", "--timeout", "300ms");
    expect(waited).toMatchObject({ code: 6, text: expect.stringContaining("n3") });
    const verified = await at("n1", "verify");
    expect(verified).toMatchObject({
      code: 6,
      err: expect.stringMatching(/n3 cannot be asked.*\nStart again .*hearsay forget/),
    });
    const { text } = await at("n1", "put", "k", "w");
    expect(await at("n1", "wait", `k@${text.trim()}`, "--timeout", "300ms")).toMatchObject({ code: 6 });
  });

  it("forgets it, told what may be lost and only when that is confirmed", async () => {
    await expect.poll(members, PATIENCE).toContain("n3 dead");
    const asked = await at("n1", "forget", "n3");
    expect(asked).toMatchObject({ code: 2, text: "" });
    expect(asked.err).toMatch(/may be known to nobody else.*Nothing was done/);
    expect(await at("n1", "diff", "n3")).toMatchObject({ code: 5 });
    expect(await at("n1", "forget", "n3", "--yes")).toMatchObject({
      code: 0,
      text: expect.stringContaining("forgotten"),
    });
    expect((await at("n1", "wait", "--converged")).code).toBe(0);
    expect((await at("n1", "verify")).code).toBe(0);
    expect((await at("n1", "members")).text).not.toMatch(/^n3/m);
  });

  it("takes its directory back as a new incarnation after a reset, with its data", async () => {
    const { data, id } = node("n3");
    const path = join(directory.path, data);
    const reset = await hearsay(["reset", "--data", path]);
    expect(reset).toMatchObject({ code: 0, text: expect.stringContaining(`${id} is given up`) });
    const seed = new URL(node("n1").url).host;
    const again = await startNode(path, "--name", "n3", "--join", seed, ...QUICK);
    await expect.poll(members, PATIENCE).toContain("n3 alive");
    const endpoint = { env: { HEARSAY_ENDPOINT: again.url } };
    expect((await hearsay(["wait", "--complete"], endpoint)).code).toBe(0);
    expect((await hearsay(["wait"], endpoint)).code).toBe(0);
    expect(await document("n1", "members")).toMatchObject({ totals: { members: 3 } });
    expect((await at("n1", "members")).text).not.toContain(id);
    expect(await hearsay(["get", "k@odd"], endpoint)).toMatchObject({ code: 0, text: "v" });
    expect(await hearsay(["get", "gone"], endpoint)).toMatchObject({ code: 3 });
    const refused = await hearsay(["reset", "--data", path]);
    expect(refused).toMatchObject({ code: 1, text: "", err: expect.stringContaining("Another node runs") });
  });
});

describe("nodes that come and go", () => {
  it("join while they run, and leave for good", async () => {
    const lone = await startNode(join(directory.path, "lone"), "--name", "n4", ...QUICK);
    const endpoint = { env: { HEARSAY_ENDPOINT: lone.url } };
    await hearsay(["put", "brought", "along"], endpoint);
    const seed = new URL(node("n1").url).host;
    expect(await hearsay(["join", seed], endpoint)).toMatchObject({
      code: 0,
      text: expect.stringContaining("n4~"),
    });
    await expect.poll(() => valueAt(node("n1").url, "brought"), PATIENCE).toBe("along");
    expect(await hearsay(["leave"], endpoint)).toMatchObject({
      code: 2,
      err: expect.stringContaining("--yes"),
    });
    expect(await at("n2", "leave", "--yes")).toMatchObject({
      code: 0,
      text: expect.stringContaining("has left"),
    });
    await expect.poll(() => isRunning(node("n2").pid), PATIENCE).toBe(false);
    await expect.poll(members, PATIENCE).toEqual(["n1 alive", "n3 alive", "n4 alive"]);
    expect((await at("n1", "wait")).code).toBe(0);
    expect((await at("n1", "verify")).code).toBe(0);
  });

  it("say that they are retired when they are started again, and not that data is damaged", async () => {
    const again = await startNode(join(directory.path, node("n2").data), "--name", "n2", ...QUICK);
    expect(again.said()).toMatch(/^Not ready: .*its id is retired.* reset --data /s);
    const waiting = ["wait", "--complete", "--timeout", "300ms", "-e", again.url];
    expect(await hearsay(waiting)).toMatchObject({ code: 6, text: "" });
    const { code, err } = await hearsay(["verify", "--json", "-e", again.url]);
    expect([code, JSON.parse(err)]).toMatchObject([
      1,
      { error: { code: "unhealthy", message: expect.stringMatching(/^retired: /) } },
    ]);
    expect(await again.end("SIGTERM")).toBe(0);
  });

  it("come back empty after a reset that empties them, and are filled by the others", async () => {
    const path = join(directory.path, node("n2").data);
    for (const how of ["--empty", "--alone"]) {
      expect((await hearsay(["reset", "--data", path, how])).code).toBe(2);
    }
    const [report] = documents(await hearsay(["reset", "--data", path, "--empty", "--yes", "--json"]));
    expect(report).toMatchObject({ node: node("n2").id, kept: 0 });
    const seed = new URL(node("n1").url).host;
    const again = await startNode(path, "--name", "n2", "--join", seed, ...QUICK);
    await expect.poll(() => valueAt(again.url, "brought"), PATIENCE).toBe("along");
  });
});
