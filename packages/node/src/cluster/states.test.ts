import { expect, test } from "vitest";
import { FRIEND, introduce, start } from "./lone-member.contract.ts";

test.each([[1e308], [-1], [1.5], ["7"]])(
  "%s is no number of keys or bytes that a member can have",
  async (value) => {
    const it = await start();
    await introduce(it, FRIEND);
    const entries = [
      { key: "keys", value, version: 1 },
      { key: "bytes", value, version: 2 },
      { key: "notWritable", value: "joining", version: 3 },
    ];
    const deltas = [{ node: FRIEND.id, generation: 1, after: 0, entries }];
    await it.member.serve(FRIEND.id, { kind: "state-delta", deltas });
    expect(it.member.states.of(FRIEND.id)).toMatchObject({
      keys: undefined,
      bytes: undefined,
      notWritable: "joining",
    });
  },
);
