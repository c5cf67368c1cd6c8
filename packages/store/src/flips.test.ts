/** Single bits flipped in the files of a stopped store: harmless or found, and nothing wrong is ever served. */
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@hearsay/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type LevelBackend,
  levelBackend,
  type OpenedStore,
  recordOf,
  salvageLevel,
  textOf,
  value,
} from "./backend.contract.ts";
import { StoreError } from "./faults.ts";
import type { Store } from "./store.ts";

const RECORDS = 600;
const FLIPS = 50;
/** Another seed explores other flips. */
const SEED = Number(process.env["HEARSAY_TEST_SEED"] ?? 11);

function textAt(i: number): string {
  return `value ${i} ${"x".repeat(i % 90)}`;
}

/** What reading every key says: wrong answers, and how many keys are missing or refused. */
function readEvery(store: Store): { wrong: string[]; lost: number } {
  const wrong: string[] = [];
  let lost = 0;
  for (let i = 0; i < RECORDS; i++) {
    try {
      const text = textOf(store.get(`key-${i}`));
      if (text === undefined) lost += 1;
      else if (text !== textAt(i)) wrong.push(`key-${i}`);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      lost += 1;
    }
  }
  return { wrong, lost };
}

async function flipOneBit(directory: string, random: SeededRandom): Promise<string> {
  const names = (await readdir(directory))
    .filter((name) => name !== "LOCK" && !name.startsWith("LOG"))
    .sort();
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  let at = Math.floor(random.next() * sizes.reduce((sum, size) => sum + size, 0));
  let file = 0;
  while (at >= (sizes[file] ?? 0)) {
    at -= sizes[file] ?? 0;
    file += 1;
  }
  const path = join(directory, names[file] ?? "");
  const bytes = await readFile(path);
  const bit = Math.floor(random.next() * 8);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  await writeFile(path, bytes);
  return `bit ${bit} of byte ${at} in ${names[file]}`;
}

for (const stop of ["clean", "killed"] as const) {
  describe(`a bit flipped in the files of a ${stop} store`, () => {
    let source: LevelBackend;
    let scratch: string;

    beforeAll(async () => {
      scratch = await mkdtemp(join(tmpdir(), "hearsay-flips-"));
      source = await levelBackend();
      let { store } = await source.open();
      for (let i = 0; i < RECORDS; i++) {
        void store.put(`key-${i}`, recordOf(value(i + 1, textAt(i))));
        if (i % 50 === 49) await store.flush();
        if (i === 400) {
          // The records so far go to a table, the rest stays in the log.
          await store.close();
          ({ store } = await source.open());
        }
      }
      if (stop === "clean") await store.close();
      else await source.crash();
    }, 60_000);

    afterAll(async () => {
      await source.dispose();
      await rm(scratch, { recursive: true, force: true });
    });

    it(`is harmless or found, each of ${FLIPS} times`, async () => {
      const random = new SeededRandom(SEED);
      for (let round = 0; round < FLIPS; round++) {
        const directory = join(scratch, `${stop}-${round}`);
        await cp(source.directory(), directory, {
          recursive: true,
          filter: (path) => !path.endsWith("LOCK"),
        });
        const what = await flipOneBit(directory, random);
        await check(source, directory, `seed ${SEED}, round ${round}: ${what}`);
        for (const suffix of ["", "-damaged", "-work", "-fresh"]) {
          await rm(directory + suffix, { recursive: true, force: true });
        }
      }
    }, 120_000);
  });
}

async function check(source: LevelBackend, directory: string, what: string): Promise<void> {
  const open = async (): Promise<OpenedStore> =>
    await source.openAt(directory, {
      limits: { cacheMaxBytes: 0 },
      salvage: async () => {
        await salvageLevel(directory);
      },
    });
  let { store, report } = await open();
  let found = report.doubt.length > 0;
  // Reads of a table with keys out of order may set LevelDB to compacting it, which aborts the process: so the
  // scan comes first, and what it finds the next start mends.
  if (!(await isSound(store))) {
    found = true;
    await store.close();
    ({ store, report } = await open());
  }
  const { wrong, lost } = readEvery(store);
  expect(wrong, what).toEqual([]);
  if (lost > 0) expect(found, `${what}: ${lost} keys lost in silence`).toBe(true);
  expect(await isSound(store), `${what}: not mended`).toBe(true);
  await store.put("key-1", recordOf(value(10_000, "again")));
  await store.close();
}

/** Whether a deep verify finds nothing new. */
async function isSound(store: Store): Promise<boolean> {
  const before = store.stats().damaged;
  try {
    const { consistent, damaged } = await store.verify({ deep: true });
    return consistent && damaged === before;
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
}
