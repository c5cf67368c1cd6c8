import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../random.ts";
import { ANTI_ENTROPY_DEFAULTS, type AntiEntropyConfig, ExchangeSchedule } from "./schedule.ts";

const schedule = (config: Partial<AntiEntropyConfig> = {}, seed = 1): ExchangeSchedule =>
  new ExchangeSchedule({ ...ANTI_ENTROPY_DEFAULTS, ...config }, new SeededRandom(seed));

const EQUAL = { equal: true, root: "a" };

const peers = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `n${i}~0000000000` }));

describe("whom to meet", () => {
  test.each([1, 2, 5, 32, 128])("of %i peers none waits longer than the stated bound", (count) => {
    const bound = Math.ceil((count / 4) * (Math.log(count) + 14));
    for (const seed of [1, 2, 3]) {
      const due = schedule({}, seed);
      const live = peers(count);
      const chosenAt = new Map(live.map(({ id }) => [id, 0]));
      let longest = 0;
      for (let choice = 1; choice <= 40 * count + bound; choice++) {
        const peer = due.choose(live);
        if (peer === undefined) throw new Error("nobody was chosen");
        longest = Math.max(longest, choice - (chosenAt.get(peer.id) ?? 0));
        chosenAt.set(peer.id, choice);
      }
      for (const last of chosenAt.values()) longest = Math.max(longest, 40 * count + bound - last);
      expect(longest).toBeLessThanOrEqual(bound);
    }
  });

  test.each([1, 2, 3, 4])("%i peers have their turn in turn, also one whose exchanges all fail", (count) => {
    const due = schedule();
    const live = peers(count);
    const turn = Array.from({ length: count }, () => due.choose(live));
    expect(new Set(turn)).toEqual(new Set(live));
    for (let i = 0; i < 20; i++) expect(due.choose(live)).toBe(turn[i % count]);
  });

  test("a peer that has asked by itself has had its turn", () => {
    const due = schedule();
    const live = peers(4);
    const [first, ...others] = Array.from({ length: 4 }, () => due.choose(live));
    due.asked(first?.id ?? "");
    expect(Array.from({ length: 4 }, () => due.choose(live))).toEqual([...others, first]);
  });

  test("a peer that has had no turn is chosen four times as often as by chance", () => {
    const live = peers(10);
    let chosen = 0;
    for (let i = 0; i < 20_000; i++) {
      const due = schedule({}, i);
      for (const { id } of live.slice(1)) due.asked(id);
      if (due.choose(live) === live[0]) chosen += 1;
    }
    // 0.01 is almost three standard deviations.
    expect(Math.abs(chosen / 20_000 - 0.4)).toBeLessThan(0.01);
  });

  test("nobody is chosen when nobody is alive", () => {
    expect(schedule().choose([])).toBeUndefined();
  });

  test("peers that are no longer members are forgotten, the others are not", () => {
    const due = schedule();
    for (const id of ["b", "a"]) due.asked(id);
    due.retain(new Set(["b", "c"]));
    // As one that is new, a comes before b.
    expect(due.choose([{ id: "a" }, { id: "b" }])?.id).toBe("a");
  });
});

describe("when to meet", () => {
  test("pauses stay within the jitter and average the interval", () => {
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: 0, max: 1, noNaN: true }), (seed, jitter) => {
        const due = schedule({ intervalMs: 1000, jitter }, seed);
        let sum = 0;
        for (let i = 0; i < 400; i++) {
          const pause = due.pauseMs(i);
          expect(pause).toBeGreaterThanOrEqual(1000 * (1 - jitter));
          expect(pause).toBeLessThanOrEqual(1000 * (1 + jitter));
          sum += pause;
        }
        // Six standard deviations of the mean of 400 uniform draws.
        expect(Math.abs(sum / 400 - 1000)).toBeLessThanOrEqual(
          (6 * 1000 * jitter) / Math.sqrt(3 * 400) + 1e-6,
        );
      }),
      { numRuns: 30 },
    );
  });

  test("over time the budget holds but for the last exchange, whatever exchanges cost", () => {
    const costs = fc.array(fc.integer({ min: 0, max: 50_000 }), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(costs, fc.integer({ min: 100, max: 20_000 }), fc.integer(), (bytes, budget, seed) => {
        const due = schedule({ intervalMs: 50, maxBytesPerSecond: budget }, seed);
        let nowMs = 1_000_000;
        let spent = 0;
        for (const cost of bytes) {
          nowMs += due.pauseMs(nowMs);
          // Before this exchange, all earlier ones are paid for.
          expect(spent).toBeLessThanOrEqual(((nowMs - 1_000_000) / 1000) * budget + 1e-3);
          due.spent(nowMs, cost);
          due.spent(nowMs, 1000);
          spent += cost + 1000;
        }
      }),
    );
  });

  test("an unused budget is not saved up", () => {
    const due = schedule({ intervalMs: 1, maxBytesPerSecond: 1000 });
    due.spent(3_600_000, 5000);
    expect(due.pauseMs(3_600_000)).toBe(5000);
    expect(due.pauseMs(3_602_000)).toBe(3000);
  });

  test("a debt of more than an hour is looked at every hour, and nothing is begun until it is paid", () => {
    const due = schedule({ intervalMs: 1, maxBytesPerSecond: 1000 });
    due.spent(0, 9_000_000);
    let nowMs = 0;
    const pauses: number[] = [];
    do {
      const pauseMs = due.pauseMs(nowMs);
      pauses.push(pauseMs);
      nowMs += pauseMs;
    } while (due.isInDebt(nowMs));
    expect(pauses).toEqual([3_600_000, 3_600_000, 1_800_000]);
  });

  test("without a budget no exchange delays the next", () => {
    const due = schedule({ intervalMs: 1000, jitter: 0 });
    due.spent(0, 1e12);
    expect(due.pauseMs(0)).toBe(1000);
  });

  test("quiet hours are hours of the day in UTC", () => {
    const due = schedule({ quietHours: [0, 23] });
    const at = (hour: number, minute: number) => Date.UTC(2031, 4, 17, hour, minute);
    expect([at(22, 59), at(23, 0), at(23, 59), at(24, 30), at(25, 0)].map((ms) => due.isQuiet(ms))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(schedule().isQuiet(at(3, 0))).toBe(false);
  });
});

describe("calm", () => {
  const calm = (): ExchangeSchedule => {
    const due = schedule({ jitter: 0 });
    for (let i = 0; i <= 6; i++) {
      expect(due.pauseMs(i)).toBe(1000);
      due.met(EQUAL);
    }
    return due;
  };

  test("pauses are twice as long once six exchanges in a row found equal sides and nothing new here", () => {
    const due = calm();
    expect(due.isCalm).toBe(true);
    expect(due.pauseMs(10)).toBe(2000);
  });

  test.each<[string, (due: ExchangeSchedule) => void]>([
    ["a difference", (due) => due.met({ equal: false, root: "a" })],
    ["a change here", (due) => due.met({ equal: true, root: "b" })],
    ["a write or a peer that comes or goes", (due) => due.disturbed()],
  ])("%s ends it", (_, disturb) => {
    const due = calm();
    disturb(due);
    expect(due.isCalm).toBe(false);
    expect(due.pauseMs(10)).toBe(1000);
  });
});
