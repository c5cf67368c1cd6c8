import { Client } from "@hearsay/client";
import { describe, expect, it } from "vitest";
import { compareAll } from "./verify-cluster.ts";

function member(name: string, state: string): object {
  return {
    id: `${name}~0123456789`,
    name,
    self: name === "n1",
    state,
    address: "h:1",
    zone: "",
    build: "b",
    generation: 1,
    phi: null,
    keys: null,
    bytes: null,
    notWritable: null,
    clockOffsetMs: null,
    clockErrorMs: null,
    completeThrough: null,
    lastExchange: null,
  };
}

function statusOf(members: readonly object[]): object {
  const totals = { members: members.length, live: members.length, keys: 0, bytes: 0 };
  const watermark = { watermark: null, watermarkAgeMs: null };
  return {
    cluster: "c",
    node: "n1~0123456789",
    ...watermark,
    writable: true,
    notWritable: null,
    totals,
    members,
  };
}

const differing = {
  equal: false,
  keys: 2,
  items: [{ key: "k", newer: "here", here: "2030-01-01T00:00:00.000Z", there: null }],
};
const same = { equal: true, keys: 0, items: [] };

/** A client of n1 whose peers answer each comparison in turn. */
function clientOf(
  members: readonly object[],
  answers: Readonly<Record<string, readonly (object | "unreachable")[]>>,
): Client {
  const asked = new Map<string, number>();
  return new Client({
    retry: { rounds: 1 },
    platform: {
      fetch: async (url) => {
        const peer = new URL(url).searchParams.get("peer");
        if (peer === null) return Response.json(statusOf(members));
        const name = peer.split("~")[0] ?? "";
        const turn = asked.get(name) ?? 0;
        asked.set(name, turn + 1);
        const script = answers[name] ?? [];
        const answer = script[Math.min(turn, script.length - 1)];
        if (answer === undefined || answer === "unreachable") {
          const problem = {
            status: 502,
            code: "peer_unreachable",
            title: "t",
            next: "n",
            detail: "no answer",
          };
          return Response.json(problem, { status: 502 });
        }
        return Response.json({ peer, name, ...answer });
      },
    },
  });
}

const { signal } = new AbortController();

describe("comparing a node with all members", () => {
  it("tells those that hold the same, differ, are down and do not answer apart", async () => {
    const members = ["n1", "n2", "n3", "n5"].map((name) => member(name, "alive"));
    const client = clientOf([...members, member("n4", "dead")], {
      n2: [same],
      n3: [differing],
      n5: ["unreachable"],
    });
    const { self, comparisons } = await compareAll(client, { signal, settleMs: 0 });
    expect(self?.name).toBe("n1");
    expect(comparisons.map((one) => [one.member.name, one.result])).toMatchObject([
      ["n2", { kind: "equal" }],
      ["n3", { kind: "differs", diff: { keys: 2 } }],
      ["n5", { kind: "unknown", reason: "no answer" }],
      ["n4", { kind: "unknown", reason: "dead" }],
    ]);
  });

  it("asks again while differences may be writes on their way", async () => {
    const client = clientOf([member("n1", "alive"), member("n2", "alive")], { n2: [differing, same] });
    const { comparisons } = await compareAll(client, { signal, settleMs: 60_000 });
    expect(comparisons.map(({ result }) => result.kind)).toEqual(["equal"]);
  });
});
