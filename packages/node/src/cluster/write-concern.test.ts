import { expect, test } from "vitest";
import { Acknowledgements } from "./acknowledgements.ts";
import { FRIEND } from "./lone-member.contract.ts";
import { ManualTimers } from "./manual-timers.contract.ts";
import { WriteConcern } from "./write-concern.ts";

test.each([true, false])(
  "a peer that is asked counts by what it says: it holds the write, %s",
  async (holds) => {
    const timers = new ManualTimers();
    const acks = new Acknowledgements(10);
    let asked = 0;
    const concern = new WriteConcern({
      acks,
      timers,
      livePeers: () => [FRIEND],
      spread: () => undefined,
      peerHolds: async () => {
        asked += 1;
        return holds;
      },
    });
    const held = concern.acknowledged("k", { time: 5, node: "a~0123456789" }, 2, 2_000);
    await timers.advance(2_000);
    expect(await held).toBe(holds ? 2 : 1);
    expect([asked > 0, acks.size]).toEqual([true, 0]);
  },
);
