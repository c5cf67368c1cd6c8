import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HearsayError } from "@hearsay/client";
import { SeededRandom } from "@hearsay/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { ChaosCluster } from "../cluster/chaos-cluster.ts";
import { Place } from "../cluster/place.ts";
import { destroyData } from "./disk-faults.ts";
import { Injector } from "./injector.ts";
import { Recorder } from "./recorder.ts";
import type { Targets } from "./target.ts";

/**
 * Stands for a node: refuses a directory with a file `bad` in it, and is ready over any other, under an id that its log says. Where
 * there is a file `doubt`, it mints another one first.
 */
const NODE = `
const { existsSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const data = process.argv[process.argv.indexOf("--data") + 1];
const log = data + "/1.log";
if (existsSync(data + "/doubt")) {
  rmSync(data + "/doubt");
  writeFileSync(log, "\\x09");
}
const id = "n1~" + String(existsSync(log) ? readFileSync(log)[0] : 123456789).padStart(10, "0");
if (existsSync(data + "/bad")) {
  console.error("error: " + data + ": what it knows of its cluster cannot be read");
  process.exit(1);
}
process.send({ url: "http://127.0.0.1:1", id });
setInterval(() => undefined, 1000);
process.on("disconnect", () => process.exit(0));
`;

let directory: string;
let place: Place;
let injector: Injector;
const said: string[] = [];
/** Ids that the node was asked to forget; the first time it is busy. */
const forgotten: string[] = [];

beforeEach(() => {
  forgotten.length = 0;
  directory = mkdtempSync(join(tmpdir(), "hearsay-injector-"));
  const data = join(directory, "n1");
  mkdirSync(data);
  writeFileSync(join(data, "bad"), "");
  place = new Place(
    {
      index: 0,
      name: "n1",
      host: "127.0.0.1",
      proxyHost: "127.0.0.1",
      data,
      log: join(directory, "n1.log"),
      clockFile: join(directory, "clock"),
      command: { file: process.execPath, args: ["-e", NODE] },
      set: [],
      random: new SeededRandom(1),
      linkFrom: () => ({ kind: "open" }),
    },
    { started: () => undefined, ended: (ending) => void said.push(ending), complained: () => undefined },
  );
  const cluster = { places: [place], joinFor: () => [] } as unknown as ChaosCluster;
  const recorder = new Recorder(join(directory, "history.ndjson"));
  const forget = async (id: string): Promise<void> => {
    forgotten.push(id);
    if (forgotten.length > 1) return;
    const fault = { code: "timed_out", endpoint: "http://127.0.0.1:1", afterMs: 1 } as const;
    throw new HearsayError(fault, { outcome: "unknown", attempts: 1 });
  };
  const status = async () => ({ watermark: new Date(0).toISOString(), node: place.id });
  const targets = {
    at: () => undefined,
    client: () => ({ cluster: { forget, status } }),
  } as unknown as Targets;
  injector = new Injector(cluster, targets, recorder, new AbortController().signal);
});

afterEach(async () => {
  await place.close();
  await injector.recorder.close();
  rmSync(directory, { recursive: true });
});

it("gives an empty directory to a node that cannot read its own, where its data was spoilt on purpose", async () => {
  expect(await injector.start(place, true)).toBe(true);
  expect([place.runs, place.id, existsSync(join(place.data, "bad"))]).toEqual([true, "n1~0123456789", false]);
  expect(said).toEqual(["code 1"]);
});

it("has ids whose directories are gone forgotten once more when the faults are over, also by one that is busy at first", async () => {
  await injector.start(place, true);
  injector.gone.add("n9~0123456789");
  await injector.startAll();
  expect(forgotten).toEqual(["n9~0123456789", "n9~0123456789"]);
});

const DRAWN = { atMs: 0, forMs: 0, nodes: [0], links: [], detail: "", amount: 0, seed: 8 };

it.each([
  // One bit of the log.
  { kind: "flip-bits" as const, left: "1.log", gone: "n1~0000000007" },
  { kind: "old-copy" as const, left: "doubt", gone: "n1~0000000009" },
])("has the id forgotten of which a directory may know nothing after $kind", async ({ kind, left, gone }) => {
  rmSync(join(place.data, "bad"));
  writeFileSync(join(place.data, "1.log"), "\x07");
  await injector.start(place);
  expect(place.id).toBe("n1~0000000007");
  writeFileSync(join(place.data, left), "\x07");
  const other = { index: 1, runs: true } as unknown as Place;
  Object.assign(injector.cluster, { places: [place, other] });
  expect(await destroyData(injector, { ...DRAWN, kind })).toMatchObject({ kills: 1 });
  expect([...injector.gone]).toEqual([gone]);
  expect(forgotten).toEqual([gone, gone]);
});
