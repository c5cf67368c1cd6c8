import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  documents,
  endAllNodes,
  hearsay,
  type RunningNode,
  startNode,
  temporaryDirectory,
} from "./cli-process.ts";
import { endAllDevs, spawnHearsay } from "./dev-process.ts";
import { type Lie, type LyingNode, lyingNode } from "./lying-node.ts";

const directory = temporaryDirectory();

afterAll(async () => {
  await endAllDevs();
  await endAllNodes();
  directory.remove();
});

/** On a machine that runs many tests at one time. */
const PATIENT = ["--settle", "60s"];

describe("hearsay chaos", () => {
  it("breaks three nodes for a while, and finds that everything holds", async () => {
    const report = join(directory.path, "short");
    const args = [
      "chaos",
      "--nodes",
      "3",
      "--minutes",
      "0.3",
      "--seed",
      "28",
      "--report",
      report,
      "--json",
      ...PATIENT,
    ];
    const run = await hearsay(args);
    const [summary] = documents(run);
    expect(summary).toMatchObject({ ok: true, seed: 28, violations: [] });
    expect(run.code).toBe(0);
    expect(summary).toMatchObject({ kills: expect.any(Number), faults: expect.any(Array) });
    expect(readFileSync(join(report, "report.html"), "utf8")).toContain("Everything held.");
    expect(readFileSync(join(report, "report.md"), "utf8")).toContain(
      "chaos --nodes 3 --minutes 0.3 --settle 1m --seed 28",
    );
    const history = join(report, "history.ndjson");
    const lines = readFileSync(history, "utf8").trimEnd().split("\n");
    const reads = lines.filter((line) => line.includes('"do":"get"') && line.includes('"outcome":"ok"'));
    expect(reads.length).toBeGreaterThan(0);
    // Without one, nothing that a read showed can be held against its node.
    expect(reads.filter((line) => !line.includes('"id":"'))).toEqual([]);
    const again = await hearsay(["chaos", "--check", history]);
    expect(again.text).toContain("Everything held.");
  });

  it("ends on Ctrl-C with every node it started, paused ones too", async () => {
    const report = join(directory.path, "stopped");
    const args = ["--nodes", "2", "--minutes", "5", "--report", report, "--faults", "pause", "--seed", "3"];
    const run = spawnHearsay(directory.path, "chaos", ...args);
    await expect.poll(run.said, { timeout: 45_000 }).toContain("working under faults");
    const urls = ["n1", "n2"].map((name) => {
      const log = readFileSync(join(report, `${name}.log`), "utf8");
      return /"address":"(http:[^"]+)"/.exec(log)?.[1] ?? "";
    });
    for (const url of urls) expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(await run.end("SIGINT")).toBe(130);
    expect(await run.printed).toContain("writes acknowledged");
    const told = `Report: ${report}/report.html\nHistory: ${report}/history.ndjson\n`;
    await expect.poll(run.said).toContain(told);
    expect(readFileSync(join(report, "report.html"), "utf8")).toContain('<p class="bad">Interrupted after');
    const again = await hearsay(["chaos", "--check", join(report, "history.ndjson")]);
    expect(again.code).toBe(1);
    expect(again.text).toMatch(/\nInterrupted after \d+ s: nothing can be said to have held\.\n$/);
    for (const url of urls) await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });

  it("has not done what it was asked for when there are too few nodes, and repeats itself in words that a shell takes", async () => {
    const workload = join(directory.path, "one key.yaml");
    writeFileSync(workload, "operations: [{ do: put, keys: once }]");
    const report = join(directory.path, "one");
    const faults = ["--faults", "partition,hole", "--workload", workload];
    const run = await hearsay([
      "chaos",
      "--nodes",
      "1",
      "--minutes",
      "0.02",
      ...faults,
      "--report",
      report,
      ...PATIENT,
    ]);
    expect(run.text).toContain("0 hole (1 skipped), 0 partition (1 skipped)");
    const why = "no hole came about, though it was asked for (1 skipped: it takes 2 nodes)";
    expect(run.text).toContain(`\nunfinished: ${why}\n`);
    expect(run.text).not.toContain("held.");
    expect(run.err).toContain("error: not everything was tested\n");
    expect(run.err).not.toContain("data is kept");
    expect(run.code).toBe(1);
    expect(readFileSync(join(report, "report.md"), "utf8")).toContain(`--workload '${workload}'`);
  });

  it("says why the nodes do not start", async () => {
    const options = { cwd: directory.path, env: { NODE_ENV: "production" } };
    const { code, err } = await hearsay(["chaos", "--nodes", "1"], options);
    expect(err).toContain(
      "n1 ended with code 2 before it was ready: error: the configuration is not valid:\n",
    );
    expect(err).toContain("test.hooks (--set test.hooks): refused in production (NODE_ENV=production)\n");
    expect(code).toBe(1);
  });

  it("names what is wrong with its options", async () => {
    for (const [args, text] of [
      [["--faults", "burn"], 'there is no fault "burn"'],
      [["--minutes", "0"], "Give a number of minutes"],
      [["--seed", "x"], "Give a whole number"],
      [["--endpoints", "127.0.0.1:1", "--report", "nowhere"], "cannot be reached: "],
      [["--endpoints", "127.0.0.1:1"], "Every node that --endpoints names has to answer"],
      [["--endpoints", ""], "names no node"],
      [["--endpoints", "ftp://127.0.0.1:1"], "is no http or https URL"],
      [["--endpoints", "127.0.0.1:1,http://127.0.0.1:1/"], "is named twice"],
      [["--endpoints", "127.0.0.1:1", "--faults", "kill"], "cannot be used with option '--faults <list>'"],
      [["--check", "/dev/null"], "does not begin a run"],
      [["--nodes", "1", "--set", "nosuch.knob=1"], "nosuch.knob"],
    ] as const) {
      const { code, err } = await hearsay(["chaos", ...args], { cwd: directory.path });
      expect(code).not.toBe(0);
      expect(err).toContain(text);
      expect(err).not.toContain("defect of hearsay");
      expect(err).not.toContain("HEARSAY_ENDPOINT");
    }
  });
});

describe("the checks", () => {
  let node: RunningNode;
  let liar: LyingNode | undefined;
  const workload = join(directory.path, "workload.yaml");

  beforeAll(async () => {
    node = await startNode(join(directory.path, "liar"));
    writeFileSync(
      workload,
      `
sessions: 4
ratePerSecond: 100
operations:
  - { do: put, weight: 4, keys: once }
  - { do: delete, weight: 2, keys: own }
  - { do: get, weight: 2, keys: last }
`,
    );
  });

  afterEach(() => liar?.close());

  async function run(lie: Lie): Promise<{ readonly code: number | undefined; readonly violations: unknown }> {
    liar = await lyingNode(node.url, lie);
    const report = join(directory.path, lie);
    const args = ["--endpoints", liar.url, "--minutes", "0.04", "--workload", workload, "--report", report];
    const result = await hearsay(["chaos", ...args, "--json", ...PATIENT]);
    const [summary] = documents(result);
    const { violations } = summary as { readonly violations: readonly { readonly code: string }[] };
    return { code: result.code, violations: [...new Set(violations.map(({ code }) => code))].sort() };
  }

  it("end on Ctrl-C while the nodes have their time to agree", async () => {
    liar = await lyingNode(node.url, "stalls");
    const args = ["--endpoints", liar.url, "--minutes", "0.02", "--report", join(directory.path, "stalls")];
    const run = spawnHearsay(directory.path, "chaos", ...args, ...PATIENT);
    await expect.poll(run.said, { timeout: 45_000 }).toContain("waiting until the nodes agree");
    expect(await run.end("SIGINT")).toBe(130);
  });

  it("come to an end without a disk for the history, and say that it has gaps", async () => {
    liar = await lyingNode(node.url, "none");
    const report = join(directory.path, "full");
    mkdirSync(report);
    symlinkSync("/dev/full", join(report, "history.ndjson"));
    const args = ["chaos", "--endpoints", liar.url, "--minutes", "0.02", "--report", report, ...PATIENT];
    const { code, text, err } = await hearsay(args);
    expect(code).toBe(1);
    expect(text).toContain("Everything held.");
    expect(err).toContain("ENOSPC");
    expect(readFileSync(join(report, "report.html"), "utf8")).toContain("Everything held.");
    mkdirSync(join(directory.path, "no-file", "history.ndjson"), { recursive: true });
    const again = await hearsay([...args, "--report", join(directory.path, "no-file")]);
    expect(again.err).toContain("Name a file: that is a directory.");
  });

  it("write over nothing of an earlier run, and make its report again from its history", async () => {
    const cwd = join(directory.path, "twice");
    mkdirSync(cwd);
    const chaos = (...args: readonly string[]) => hearsay(["chaos", ...args], { cwd });
    const args = ["--endpoints", node.url, "--minutes", "0.02", "--seed", "9", ...PATIENT];
    expect((await chaos(...args)).err).toContain("Report: .hearsay/chaos-9/report.html");
    const read = (file: string) => readFileSync(join(cwd, ".hearsay", file), "utf8");
    const [history, report] = [read("chaos-9/history.ndjson"), read("chaos-9/report.html")];
    const [first, second] = [".hearsay/chaos-9", ".hearsay/chaos-9-2"];
    expect((await chaos(...args)).err).toContain(`Report: ${second}/report.html`);
    expect(read("chaos-9-2/history.ndjson")).not.toBe(history);

    const refused = await chaos(...args, "--report", first);
    expect(refused.err).toContain(`error: ${first} has a history.ndjson already`);
    expect(refused.code).toBe(2);
    const file = `${first}/history.ndjson`;
    expect((await chaos("--check", file, "--report", first)).err).toContain("has a report.html already");
    expect((await chaos("--check", file, "--report", ".hearsay/again")).code).toBe(0);
    expect(read("again/report.html")).toBe(report);
    expect(read("again/report.md")).toBe(read("chaos-9/report.md"));

    for (const name of ["report.html", "report.md"]) rmSync(join(cwd, first, name));
    expect((await chaos("--check", file, "--report", first)).code).toBe(0);
    expect([read("chaos-9/history.ndjson"), read("chaos-9/report.html")]).toEqual([history, report]);
  });

  it("pass a node that only has a proxy before it", async () => {
    expect(await run("none")).toEqual({ code: 0, violations: [] });
  });

  it("fail a node that acknowledges writes and drops them", async () => {
    const { code, violations } = await run("drops");
    expect(code).toBe(1);
    expect(violations).toEqual(expect.arrayContaining(["lost", "went_back", "stale_after"]));
  });

  it.each(["denies", "expires"] as const)("fail a node that has everything and %s it", async (lie) => {
    const { code, violations } = await run(lie);
    expect(code).toBe(1);
    expect(violations).toEqual(["invented", "lost"]);
  });

  it("fail a node that acknowledges deletions and keeps the values", async () => {
    const { code, violations } = await run("revives");
    expect(code).toBe(1);
    expect(violations).toEqual(expect.arrayContaining(["lost", "resurrected"]));
  });

  it("fail a node that refuses writes as one that has a defect", async () => {
    expect(await run("fails")).toEqual({ code: 1, violations: ["internal_error"] });
  });
});
