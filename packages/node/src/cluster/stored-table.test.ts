import { decodeUtf8, type Member } from "@hearsay/core";
import { expect, test } from "vitest";
import { REPEAT_LOG_INTERVAL_MS, RepeatLog } from "../repeat-log.ts";
import { EventLog } from "./event-log.contract.ts";
import { FRIEND } from "./lone-member.contract.ts";
import { ManualTimers, rest } from "./manual-timers.contract.ts";
import { CONDITION_DELAY_MS, StoredTable } from "./stored-table.ts";

/** A table with retired ids alone, on a disk that takes what it is given when it is told to. */
function table(members: readonly Member[] = []) {
  const timers = new ManualTimers();
  const log = new EventLog();
  const given: string[] = [];
  const waiting: (() => void)[] = [];
  let retired: string[] = [];
  const stored = new StoredTable(
    { members: [], retired: [], entered: false },
    {
      meta: {
        get: () => undefined,
        put: (_, bytes) => {
          given.push(decodeUtf8(bytes) ?? "");
          return new Promise((resolve) => {
            waiting.push(resolve);
          });
        },
      },
      timers,
      troubles: new RepeatLog(log, REPEAT_LOG_INTERVAL_MS, () => timers.monotonicMs()),
    },
    () => ({ members, retired, entered: false }),
  );
  const change = (id: string): void => {
    retired = [...retired, id];
  };
  const taken = async (): Promise<void> => {
    waiting.shift()?.();
    await rest();
  };
  return { stored, given, change, taken, timers };
}

const holding = (...retired: string[]): string => JSON.stringify({ members: [], retired, entered: false });

test("changes that come while a table is being saved share the next save", async () => {
  const { stored, given, change, taken } = table();
  for (const id of ["a", "b", "c", "d"]) {
    change(id);
    stored.saveSoon();
    if (id === "a") await rest();
  }
  await rest();
  expect(given).toEqual([holding("a")]);
  let isSaved = false;
  void stored.saved().then(() => {
    isSaved = true;
  });
  await taken();
  expect(given).toEqual([holding("a"), holding("a", "b", "c", "d")]);
  expect(isSaved).toBe(false);
  await taken();
  expect(isSaved).toBe(true);
});

test("what has to be on disk first is given to it at once, and with it what was to be saved soon", async () => {
  const { stored, given, change, taken } = table();
  stored.saveSoon();
  await rest();
  change("a");
  stored.saveSoon();
  change("b");
  stored.save();
  expect(given).toEqual([holding(), holding("a", "b")]);
  await taken();
  await taken();
  expect(given).toHaveLength(2);
});

test("how members are is saved after a while, in one go, and with whatever is saved earlier", async () => {
  const { stored, given, change, taken, timers } = table();
  for (const id of ["a", "b"]) {
    change(id);
    stored.saveLater();
    await timers.advance(CONDITION_DELAY_MS / 2 - 1);
  }
  expect(given).toEqual([]);
  await timers.advance(2);
  expect(given).toEqual([holding("a", "b")]);
  await taken();
  change("c");
  stored.saveLater();
  stored.saveSoon();
  await rest();
  await taken();
  await timers.advance(2 * CONDITION_DELAY_MS);
  expect(given).toEqual([holding("a", "b"), holding("a", "b", "c")]);
  expect(timers.armed).toBe(0);
});

test("a member is recorded when it is on disk, and not before", async () => {
  const { stored, taken } = table([FRIEND]);
  stored.save();
  await rest();
  expect(stored.has(FRIEND.id)).toBe(false);
  await taken();
  expect(stored.has(FRIEND.id)).toBe(true);
});

test("what waits for its time is saved at the stop", () => {
  const { stored, given, change, timers } = table();
  change("a");
  stored.saveLater();
  stored.stop();
  expect(given).toEqual([holding("a")]);
  expect(timers.armed).toBe(0);
});

test("a change that waits for its turn is saved at the stop", async () => {
  const { stored, given, change } = table();
  stored.saveSoon();
  await rest();
  change("a");
  stored.saveSoon();
  stored.stop();
  expect(given).toEqual([holding(), holding("a")]);
});
