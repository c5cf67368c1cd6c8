/** After the faults: until the nodes agree, and what each holds then. */
import { HearsayError } from "@hearsay/client";
import { versionMs } from "../check/key-writes.ts";
import type { FinalEvent } from "../history/events.ts";
import { askOnce, type Said } from "./observer.ts";
import { pause } from "./pause.ts";
import type { Recorder } from "./recorder.ts";
import { readSiblings } from "./session.ts";
import type { Target, Targets } from "./target.ts";

const ASK_MS = 100;

/** What the end of a run is looked at with. All that does it rejects with the reason of `stopped` once that is aborted. */
export interface End {
  readonly targets: Targets;
  readonly recorder: Recorder;
  readonly stopped: AbortSignal;
}

/** Each node from now on, up to `settleMs`. Records how long it took, and what was amiss. */
export async function settle({ targets, recorder, stopped }: End, settleMs: number): Promise<void> {
  const fromMs = recorder.nowMs();
  const newest = newestAcknowledged(recorder);
  await Promise.all(
    targets.all.map(async (target) => {
      let said: Said | undefined;
      for (;;) {
        const answer = await askOnce(targets, target, recorder);
        stopped.throwIfAborted();
        said = answer ?? said;
        const afterMs = recorder.nowMs() - fromMs;
        const node = target.name;
        const id = said?.id ?? "";
        if (answer !== undefined && isSettled(answer, newest)) {
          recorder.record({ type: "settled", node, id, afterMs, detail: "" });
          return;
        }
        if (afterMs > settleMs) {
          const detail = shortOf(answer, newest, settleMs);
          recorder.record({ type: "settled", node, id, afterMs: null, detail });
          return;
        }
        await pause(ASK_MS, stopped);
      }
    }),
  );
}

function isSettled({ verdict, watermarkMs, writable }: Said, newest: string): boolean {
  return verdict === "converged" && writable && (watermarkMs ?? 0) >= versionMs(newest);
}

function shortOf(said: Said | undefined, newest: string, settleMs: number): string {
  const after = `after ${settleMs / 1000} s`;
  if (said === undefined) return `did not answer ${after}`;
  if (said.verdict !== "converged") return `said "${said.verdict}" ${after}`;
  if (!said.writable) return `took no writes ${after}`;
  const short = versionMs(newest) - (said.watermarkMs ?? 0);
  return `its watermark was ${short} ms short of ${newest} ${after}`;
}

function newestAcknowledged({ history }: Recorder): string {
  let newest = "";
  for (const { version = "", outcome } of history.writes)
    if (outcome === "ok" && version > newest) newest = version;
  return newest;
}

const READS_AT_ONCE = 8;
const READ_TRIES = 5;

/** Everything that lies under the prefix, or was written to, on each node. */
export async function readAll(end: End, prefix: string): Promise<void> {
  const { targets, recorder, stopped } = end;
  await Promise.all(
    targets.all.map(async (target) => {
      try {
        await readNode(end, target, prefix);
      } catch (error) {
        stopped.throwIfAborted();
        if (!(error instanceof HearsayError)) throw error;
        const atMs = recorder.nowMs();
        const ending = `cannot be read: ${error.message}`;
        recorder.record({
          type: "process",
          atMs,
          node: target.name,
          event: "not_back",
          expected: false,
          ending,
        });
      }
    }),
  );
}

async function readNode({ targets, recorder, stopped }: End, target: Target, prefix: string): Promise<void> {
  const client = targets.client(target);
  const node = target.name;
  const { node: id } = await patiently(() => client.cluster.status(), stopped);
  const listed = new Set<string>();
  for await (const { items } of client.pages({ prefix, keysOnly: true }))
    for (const { key } of items) listed.add(key);
  const queue = new Set([...recorder.history.writes.map(({ key }) => key), ...listed]).values();
  const readers = Array.from({ length: READS_AT_ONCE }, async () => {
    for (const key of queue) {
      const startMs = recorder.nowMs();
      const shown = await patiently(() => readSiblings(client, key), stopped).catch(damageIn);
      const { siblings } = shown;
      const unreadable = "unreadable" in shown ? shown.unreadable : undefined;
      recorder.record({
        type: "final",
        startMs,
        endMs: recorder.nowMs(),
        node,
        id,
        key,
        siblings,
        listed: listed.has(key),
        unreadable,
      });
    }
  });
  await Promise.all(readers);
}

/** @throws what is not the refusal to show a damaged record */
function damageIn(error: unknown): Pick<FinalEvent, "siblings" | "unreadable"> {
  if (!(error instanceof HearsayError) || error.code !== "record_damaged") throw error;
  return { siblings: [], unreadable: error.code };
}

/** A node may be busy for a moment. @throws HearsayError when it is for longer */
async function patiently<T>(ask: () => Promise<T>, stopped: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    stopped.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      const isFinal = !(error instanceof HearsayError) || error.code === "record_damaged";
      if (isFinal || tries === READ_TRIES) throw error;
      await pause(ASK_MS * 2 ** tries, stopped);
    }
  }
}

const VERIFY_TIMEOUT_MS = 60_000;

/** Each node checks its own records, index and fingerprints. */
export async function verifyAll({ targets, recorder, stopped }: End): Promise<void> {
  await Promise.all(
    targets.all.map(async (target) => {
      const { sound, last } = await verify(target, stopped);
      stopped.throwIfAborted();
      recorder.record({
        type: "verify",
        node: target.name,
        sound,
        detail: sound ? "" : `verify said ${last}`,
      });
    }),
  );
}

async function verify(
  { url }: Target,
  stopped: AbortSignal,
): Promise<{ readonly sound: boolean; readonly last: string }> {
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(VERIFY_TIMEOUT_MS)]);
  try {
    const answer = await fetch(`${url}/verify?deep=true`, { signal });
    const last = (await answer.text()).trimEnd().split("\n").at(-1) ?? "";
    const sound = /"event":"end"/.test(last) && /"consistent":true/.test(last) && /"damaged":0\b/.test(last);
    return { sound, last };
  } catch (error) {
    return { sound: false, last: `nothing: ${String(error)}` };
  }
}

/** A node that finds damage starts again, but not more often than every 30 s. */
const SALVAGE_MS = 60_000;
const SALVAGE_ASK_MS = 500;

/** Flipped bits do nothing until they are read, so the fault is not over before each node has read everything it holds. */
export async function findDamage({ targets, recorder, stopped }: End): Promise<void> {
  const isFlipped = recorder.history.faults.some(
    ({ kind, skipped }) => kind === "flip-bits" && skipped === undefined,
  );
  if (!isFlipped) return;
  const endMs = recorder.nowMs() + SALVAGE_MS;
  await Promise.all(
    targets.all.map(async (target) => {
      while (!(await verify(target, stopped)).sound && recorder.nowMs() < endMs) {
        stopped.throwIfAborted();
        await pause(SALVAGE_ASK_MS, stopped);
      }
    }),
  );
}
