/** The root of a large store after writes all over it, and how long it ever keeps the event loop to itself. */
import { applyWrite, HLC_TICKS_PER_MS } from "@hearsay/core";
import { loadConfig, openStore } from "@hearsay/server";
import type { Store } from "@hearsay/store";
import { median, print } from "./report.ts";

const WRITES = 10_000;
const ROUNDS = 5;
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** @param keys of which records exist */
export async function scatteredRoot(data: string, keys: readonly string[]): Promise<void> {
  const { settings } = loadConfig({ flags: { data }, environment: {}, file: undefined });
  const { store, close } = await openStore(settings, SILENT, () => undefined);
  try {
    await store.root();
    const rounds: { readonly ms: number; readonly longestTurnMs: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await writeScattered(store, keys, round);
      rounds.push(await timeRoot(store));
    }
    print({
      name: `root after ${WRITES} scattered writes into ${keys.length} records`,
      value: median(rounds.map(({ ms }) => ms)),
      unit: "ms",
      target: { atMost: 150 },
    });
    print({
      name: "  its longest turn without yielding",
      value: median(rounds.map(({ longestTurnMs }) => longestTurnMs)),
      unit: "ms",
      target: { atMost: 10 },
    });
  } finally {
    await close();
  }
}

async function writeScattered(store: Store, keys: readonly string[], round: number): Promise<void> {
  const step = Math.floor(keys.length / WRITES);
  const bytes = new Uint8Array(100).fill(round);
  for (let i = 0; i < WRITES; i++) {
    const key = keys[i * step + round] ?? "";
    const version = { time: (Date.now() + round) * HLC_TICKS_PER_MS, node: "bench~0000000000" };
    const value = { kind: "value", version, bytes, contentType: "text/plain", expiresAtMs: null } as const;
    void store.put(key, applyWrite(store.latest(key), value, undefined));
    if (i % 1000 === 0) await store.flush();
  }
  await store.flush();
}

/** Whoever waits for the event loop is let in between two turns; the longest wait is the longest turn. */
async function timeRoot(store: Store): Promise<{ readonly ms: number; readonly longestTurnMs: number }> {
  let isDone = false;
  let longestTurnMs = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    longestTurnMs = Math.max(longestTurnMs, now - last);
    last = now;
    if (!isDone) setImmediate(look);
  };
  setImmediate(look);
  const begun = performance.now();
  await store.root();
  const ms = performance.now() - begun;
  isDone = true;
  await new Promise((resolve) => setImmediate(resolve));
  look();
  return { ms, longestTurnMs };
}
