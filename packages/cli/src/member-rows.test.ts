import type { ClusterMemberItem, ClusterStatus } from "@hearsay/api";
import { describe, expect, it } from "vitest";
import { MEMBER_COLUMNS, memberRows, shownAge, shownDuration } from "./member-rows.ts";

const NOW = Date.parse("2030-01-01T00:00:10.000Z");

const member: ClusterMemberItem = {
  id: "n1~0123456789",
  name: "n1",
  self: true,
  state: "alive",
  address: "h:1",
  zone: "",
  build: "0.1.0",
  generation: 1,
  phi: null,
  keys: 3,
  bytes: 2048,
  notWritable: null,
  clockOffsetMs: 5,
  clockErrorMs: 1,
  completeThrough: "2030-01-01T00:00:08.500Z",
  lastExchange: null,
};

function status(...members: readonly ClusterMemberItem[]): ClusterStatus {
  return {
    cluster: "c",
    node: member.id,
    watermark: null,
    watermarkAgeMs: null,
    writable: true,
    notWritable: null,
    totals: { members: members.length, live: members.length, keys: 3, bytes: 2048 },
    members: [...members],
  };
}

describe("members", () => {
  it("are shown with how far they are behind, and the asked one is marked", () => {
    expect(memberRows(status(member), NOW)).toEqual([
      ["n1 *", "alive", "h:1", "3", "2.0 KiB", "1.5 s", "n1~0123456789", ""],
    ]);
    expect(MEMBER_COLUMNS).toHaveLength(8);
  });

  it("of which nothing is known yet, or something is wrong, say so", () => {
    const odd: ClusterMemberItem = {
      ...member,
      self: false,
      zone: "z",
      keys: null,
      bytes: null,
      completeThrough: null,
      notWritable: "joining",
      clockOffsetMs: -5_000,
    };
    expect(memberRows(status(odd), NOW)).toEqual([
      [
        "n1",
        "alive",
        "h:1",
        "-",
        "-",
        "-",
        "n1~0123456789",
        "zone z; takes no writes: joining; clock 5.0 s behind",
      ],
    ]);
  });
});

describe("times", () => {
  it.each([
    [999, "999 ms"],
    [1_500, "1.5 s"],
    [150_000, "3 min"],
    [7_200_000, "2 h"],
  ])("of %i ms are shown as %s", (ms, text) => {
    expect(shownDuration(ms)).toBe(text);
  });

  it("ahead of this machine's clock are no age below zero", () => {
    expect(shownAge("2030-01-01T00:00:11.000Z", NOW)).toBe("0 ms");
  });
});
