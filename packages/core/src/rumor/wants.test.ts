import { expect, test } from "vitest";
import type { Rumor } from "./messages.ts";
import { WantList } from "./wants.ts";

const peers = ["a", "b", "c", "d", "e"].map((name) => ({ id: `${name}~0000000000`, address: `${name}:1` }));
const [a, b] = peers;

function rumor(key: string, time = 1): Rumor {
  return { key, versions: [{ time, node: "w~0000000000" }], sizeBytes: 10, hops: 0, mailed: false };
}

test("each record is asked of one peer at a time, of the others in turn, and at last given up", () => {
  if (a === undefined) return;
  const wants = new WantList(10, 100);
  expect(wants.offered(rumor("k"), a, 0)).toBe("wanted");
  for (const peer of peers.slice(1)) expect(wants.offered(rumor("k"), peer, 1)).toBe("promised");
  const asked: string[] = [];
  let givenUp = 0;
  for (let now = 99; givenUp === 0; now += 100) {
    const due = wants.overdue(now);
    asked.push(...due.ask.map(({ peer }) => peer.id.charAt(0)));
    givenUp = due.givenUp;
  }
  expect(asked).toEqual(["b", "c", "d"]);
  expect(wants.size).toBe(0);
});

test("a peer that has nothing is passed over at once", () => {
  if (a === undefined || b === undefined) return;
  const wants = new WantList(10, 100);
  wants.offered(rumor("k"), a, 0);
  wants.offered(rumor("k"), b, 0);
  wants.failed("k", b, 5);
  expect(wants.nextDeadline).toBe(100);
  wants.failed("k", a, 5);
  expect(wants.overdue(5).ask.map(({ peer }) => peer.id)).toEqual([b.id]);
});

test("beyond the bound nothing more is asked for, and an arrival makes room", () => {
  if (a === undefined) return;
  const wants = new WantList(1, 100);
  expect(wants.offered(rumor("k"), a, 0)).toBe("wanted");
  expect(wants.offered(rumor("l"), a, 0)).toBe("full");
  wants.arrived(rumor("k"), rumor("k").versions);
  expect(wants.offered(rumor("l"), a, 0)).toBe("wanted");
});

test("an older state that arrives does not settle the want for a newer one", () => {
  if (a === undefined) return;
  const wants = new WantList(10, 100);
  wants.offered(rumor("k", 5), a, 0);
  wants.arrived(rumor("k", 3), rumor("k", 3).versions);
  expect(wants.size).toBe(1);
  wants.arrived(rumor("k", 3), rumor("k", 5).versions);
  expect(wants.size).toBe(0);
});
