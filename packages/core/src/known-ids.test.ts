import { expect, test } from "vitest";
import { INCARNATION_LENGTH, isNodeId } from "./identity.ts";
import { KNOWN_IDS_MAX, KnownIds, readNodeId } from "./known-ids.ts";

test.each(["n1~0123456789", "n1~short", "n1", "", "n1~0123456789 "])(
  "%j is read as it would be checked, the first time and again",
  (text) => {
    const wanted = isNodeId(text) ? text : undefined;
    expect(readNodeId(text)).toBe(wanted);
    expect(readNodeId(text)).toBe(wanted);
  },
);

test("however many ids come, each is read, and so many are remembered", () => {
  const ids = new KnownIds();
  let most = 0;
  for (let i = 0; i < 2.5 * KNOWN_IDS_MAX; i++) {
    const id = `n~${String(i).padStart(INCARNATION_LENGTH, "0")}`;
    expect(ids.read(id)).toBe(id);
    expect(ids.read(id)).toBe(id);
    most = Math.max(most, ids.size);
  }
  expect(most).toBe(KNOWN_IDS_MAX);
});

test("what is no id is not remembered", () => {
  const ids = new KnownIds();
  for (const text of ["n1", "n1~", "~0123456789"]) expect(ids.read(text)).toBeUndefined();
  expect(ids.size).toBe(0);
});
