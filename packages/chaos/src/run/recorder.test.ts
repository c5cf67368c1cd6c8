import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ToldHistory } from "../check/told-history.contract.ts";
import { readHistory } from "../history/lines.ts";
import { Recorder } from "./recorder.ts";

let directory: string;
let recorder: Recorder;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearsay-recorder-"));
  recorder = new Recorder(join(directory, "history.ndjson"));
});

afterEach(async () => {
  await recorder.close();
  rmSync(directory, { recursive: true });
});

it("keeps of what comes after an interruption only how that has ended which was under way", async () => {
  const told = new ToldHistory();
  told.put("n1", "a", { outcome: "unknown", version: undefined });
  told.fault({ kind: "disk-full" });
  const [begin, started, ...later] = told.events;
  for (const event of [begin, started]) if (event !== undefined) recorder.record(event);
  recorder.interrupt();
  for (const event of later) recorder.record(event);
  expect(recorder.history).toMatchObject({ isInterrupted: true, endMs: expect.any(Number) });
  expect(recorder.history.processes).toEqual([started]);
  expect([recorder.history.writes.length, recorder.history.faults.length]).toEqual([1, 1]);
  await recorder.close();
  const text = readFileSync(join(directory, "history.ndjson"), "utf8");
  expect(await readHistory([text])).toEqual(recorder.history);
});

it("has no run that was interrupted before its beginning, or after its end", async () => {
  recorder.interrupt();
  for (const event of new ToldHistory().events) recorder.record(event);
  expect(recorder.history).toMatchObject({ isInterrupted: false, begin: undefined });

  const other = new Recorder(join(directory, "other.ndjson"));
  for (const event of new ToldHistory().events) other.record(event);
  other.record({ type: "end", atMs: 5 });
  other.interrupt();
  await other.close();
  expect(other.history).toMatchObject({ isInterrupted: false, endMs: 5 });
});
