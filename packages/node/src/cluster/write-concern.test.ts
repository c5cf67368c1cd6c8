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
      others: () => 1,
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

test("nobody waits for more peers than there are, whatever they were when the write was sent", async () => {
  const timers = new ManualTimers();
  const acks = new Acknowledgements(10);
  const spread: number[] = [];
  let others = 0;
  const concern = new WriteConcern({
    acks,
    timers,
    livePeers: () => [FRIEND],
    others: () => others,
    spread: (_, peers) => spread.push(peers),
    peerHolds: async () => true,
  });
  const write = (): Promise<number> => concern.acknowledged("k", { time: 5, node: "a~0123456789" }, 3, 2_000);
  expect(await write()).toBe(1);
  others = 1;
  const held = write();
  await timers.advance(1_000);
  expect(await held).toBe(2);
  expect(spread).toEqual([0, 1]);
});

test("a peer that does not answer is asked again when it has, and not before", async () => {
  const timers = new ManualTimers();
  let asked = 0;
  let answer: (holds: boolean) => void = () => undefined;
  const concern = new WriteConcern({
    acks: new Acknowledgements(10),
    timers,
    livePeers: () => [FRIEND],
    others: () => 1,
    spread: () => undefined,
    peerHolds: () => {
      asked += 1;
      return new Promise((resolve) => (answer = resolve));
    },
  });
  const held = concern.acknowledged("k", { time: 5, node: "a~0123456789" }, 2, 60_000);
  await timers.advance(10_000);
  expect(asked).toBe(1);
  answer(false);
  await timers.advance(10_000);
  expect(asked).toBe(2);
  answer(true);
  expect(await held).toBe(2);
});
