/** `hearsay sim` as users run it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { documents, hearsay, temporaryDirectory } from "./cli-process.ts";

const directory = temporaryDirectory();
afterAll(() => directory.remove());

const SHORT = ["--nodes", "3", "--minutes", "1"];

/** The environment in which a thread ends as soon as it is given that seed, and progress is drawn as on a terminal. */
function dyingOf(seed: number): { readonly NODE_OPTIONS: string } {
  const file = join(directory.path, `dying-of-${seed}.mjs`);
  writeFileSync(
    file,
    `import { parentPort } from "node:worker_threads";
    process.stderr.isTTY = true;
    const on = parentPort?.on.bind(parentPort);
    const seedOf = ({ options, plan }) => (options ?? plan)?.seed;
    const orDie = (listen) => (job) => (seedOf(job) === ${seed} ? process.exit(1) : listen(job));
    if (on) parentPort.on = (name, listen) => on(name, name === "message" ? orDie(listen) : listen);`,
  );
  return { NODE_OPTIONS: `--import=${pathToFileURL(file).href}` };
}

it("goes on with the other seeds when the thread of one dies, and says how to see that one again", async () => {
  const env = dyingOf(2);
  const run = await hearsay(["sim", "run", "--seeds", "1..3", ...SHORT], { env });
  expect(run.code).toBe(1);
  expect(run.text).toMatch(/^seed 2 breaks failure: its thread died: /m);
  expect(run.text).toMatch(/^3 seeds in mode safety, .* 1 violation;/m);
  const again = ["sim", "replay", "2", ...SHORT, "--mode", "safety"];
  expect(run.err).toContain("See how: ");
  expect(run.err).toContain(again.join(" "));
  const replayed = await hearsay([...again, "--shrink", "1"], { env });
  expect([replayed.code, replayed.err]).toEqual([1, expect.stringContaining("seed 2 breaks failure: ")]);
});

describe("when it is interrupted", () => {
  const many = ["sim", "run", "--seeds", "1..200", "--threads", "1", ...SHORT];

  it("has said which seeds broke what, and says what came of all that were run", async () => {
    const told = /seed 1 breaks failure: .* sim replay 1 --nodes 3 --minutes 1 --mode safety\n/;
    const run = await hearsay(many, { env: dyingOf(1), interruptedAt: told });
    expect(run.code).toBe(130);
    expect(run.text).toMatch(/^seed 1 breaks failure: its thread died: /m);
    expect(run.text).toMatch(/^interrupted: \d+ of 200 seeds were run$/m);
  });

  it("prints the document of all that were run, and says that they are not all", async () => {
    const run = await hearsay([...many, "--json"], { env: dyingOf(1), interruptedAt: /1 violation/ });
    expect(run.code).toBe(130);
    expect(documents(run)).toMatchObject([
      { asked: 200, interrupted: true, violations: 1, failed: [{ seed: 1 }] },
    ]);
    expect(run.err).not.toContain("sim replay");
  });
});

it("shows at once that nothing is done yet", async () => {
  const run = await hearsay(["sim", "run", "--seeds", "1", ...SHORT], { env: dyingOf(2) });
  expect([run.code, run.err]).toEqual([0, expect.stringContaining("0/1 0 violations")]);
  const scale = await hearsay(["sim", "scale", "swim", "--nodes", "10,20"], { env: dyingOf(2) });
  expect(scale.err).toContain("0 of 2 done");
  expect((await hearsay(["sim", "paper", "phi"], { env: dyingOf(2) })).err).toContain("0 of 1 done");
});

it("prints published figures beside measured ones", async () => {
  const { code, text } = await hearsay(["sim", "paper", "memberlist", "phi"]);
  expect(code).toBe(0);
  expect(text).toMatch(/^mult 3, 99 nodes +retransmit limit +6 +6 +6 to 6 +ok$/m);
  expect(text).toMatch(/^1400 ms of silence +φ +4\.7 +4\.74 .*ok$/m);
});

it("goes beyond the tables with flags, and writes the plot and JSON", async () => {
  const svg = join(directory.path, "infection.svg");
  const flags = ["--nodes", "60", "--fanout", "2", "--loss", "0.1", "--runs", "2", "--svg", svg, "--json"];
  const finished = await hearsay(["sim", "paper", "rounds", ...flags]);
  expect(finished.code).toBe(0);
  expect(documents(finished)).toMatchObject([
    { tables: [{ name: "rounds", figures: [{ setting: "push, 60 nodes", ok: true }, {}, {}] }] },
  ]);
  expect(readFileSync(svg, "utf8")).toContain("push-pull: all after");
  const nowhere = await hearsay(["sim", "paper", "rounds", ...flags, "--svg", join(svg, "plot.svg")]);
  // Before anything is measured, as that can take minutes.
  expect([nowhere.code, nowhere.text]).toEqual([1, ""]);
  expect(nowhere.err).toContain("ENOTDIR");
});

it("fits how figures grow", async () => {
  const { code, text } = await hearsay(["sim", "scale", "swim", "--nodes", "10,20,40"]);
  expect(code).toBe(0);
  expect(text).toMatch(/^messages a node and second( +2\.0\d*){3} +about 2\.0\d$/m);
});

it("says which tables there are when one is misspelt, and refuses settings out of range", async () => {
  const misspelt = await hearsay(["sim", "paper", "demeres"]);
  expect([misspelt.code, misspelt.err]).toEqual([2, expect.stringContaining("demers")]);
  expect((await hearsay(["sim", "paper", "--loss", "2"])).code).toBe(2);
  expect((await hearsay(["sim", "scale", "--nodes", "1"])).code).toBe(2);
});
