import { beforeEach, describe, expect, it } from "vitest";
import type { ReceiptEvent, WriteEvent } from "../history/events.ts";
import { idOf, seen, ToldHistory } from "./told-history.contract.ts";

let told: ToldHistory;

beforeEach(() => {
  told = new ToldHistory();
});

describe("acknowledgements", () => {
  it("are false when too few are left to hold a write of those who do not show less", () => {
    told.watermark("n1", undefined, 0);
    const write = told.put("n1", "a", { acks: 3 });
    told.get("n1", "a", [seen(write)]);
    expect(told.codes()).toEqual([]);
    told.get("n2", "a", []);
    expect(told.codes()).toEqual(["ack_false"]);
  });

  it("are not, while enough others may hold it, or of what only a new member lacks", () => {
    told.watermark("n1", undefined, 0);
    told.put("n1", "a", { acks: 2 });
    told.get("n2", "a", []);
    told.put("n1", "b", { acks: 3 });
    told.wait(6_000);
    told.get("n2", "b", [], { id: idOf("n2", 2) });
    told.put("n1", "c", { acks: 3 });
    told.delete("n1", "c");
    told.get("n2", "c", []);
    expect(told.codes()).toEqual([]);
    told.get("n3", "a", []);
    expect(told.codes()).toEqual(["ack_false"]);
  });
});

describe("what was asked for", () => {
  const NAMES = ["n1", "n2", "n3"];
  const put = (ack: WriteEvent["ack"], acks: number): WriteEvent => told.put("n1", "a", { ack, acks });
  /** What n1 lists, one after the other. */
  const lists = (...names: readonly string[]): void =>
    told.watermark(
      "n1",
      names.map((name) => idOf(name)),
      null,
    );

  it("is a number, and fewer replicas than that make the acknowledgement false", () => {
    lists(...NAMES);
    put(2, 2);
    put(1, 1);
    expect(told.codes()).toEqual([]);
    put(2, 1);
    expect(told.codes()).toEqual(["ack_false"]);
  });

  it("is a quorum or all of those whom the node listed before and afterwards", () => {
    for (const [ack, acks, isFalse] of [
      ["quorum", 1, true],
      ["quorum", 2, false],
      ["all", 2, true],
      ["all", 3, false],
    ] as const) {
      told = new ToldHistory({ processes: false });
      lists(...NAMES);
      put(ack, acks);
      expect(told.codes()).toEqual([]);
      lists(...NAMES);
      expect(told.codes()).toEqual(isFalse ? ["ack_false"] : []);
    }
  });

  it("is no more than of one member where others came or went meanwhile, or nobody knows", () => {
    put("quorum", 1);
    lists(...NAMES);
    put("all", 1);
    lists("n1", "n4");
    put("quorum", 1);
    told.watermark("n1", [idOf("n1", 2), idOf("n2"), idOf("n3")], null, idOf("n1", 2));
    put("all", 1);
    expect(told.codes()).toEqual([]);
  });

  it("is not judged over a restart, nor by an answer that was on its way", () => {
    lists(...NAMES);
    put("quorum", 1);
    told.tell({ type: "process", atMs: 250, node: "n1", event: "ended", expected: true });
    lists(...NAMES);
    const { endMs } = put("quorum", 1);
    const members = NAMES.map((name) => ({ id: idOf(name), name, state: "alive" }));
    const said = { node: "n1", id: idOf("n1"), watermarkMs: null, watermarkAgeMs: null, writable: true };
    told.tell({ type: "status", askedMs: endMs - 1, atMs: endMs + 1, ...said, members });
    told.tell({ type: "status", atMs: endMs + 2, ...said, members });
    expect(told.codes()).toEqual([]);
    lists(...NAMES);
    expect(told.codes()).toEqual(["ack_false"]);
  });
});

describe("receipts", () => {
  it("are false that say of a write that it is everywhere, or complete, and who lacks it", () => {
    const write = told.put("n1", "a");
    const receipt = (more: Partial<ReceiptEvent>): void => told.receipt("n1", write, ["n1"], more);
    receipt({ lacking: [idOf("n2")], everywhere: false, complete: false });
    receipt({ lacking: [], everywhere: true, complete: true });
    expect(told.codes()).toEqual([]);
    receipt({ lacking: [idOf("n2")], everywhere: true });
    expect(told.codes()).toEqual(["receipt_false"]);
    told = new ToldHistory();
    receipt({ lacking: [idOf("n2")], everywhere: false, complete: true });
    expect(told.codes()).toEqual(["receipt_false"]);
  });
});

describe("watermarks", () => {
  it("are false that go back, but not over a restart", () => {
    told.watermark("n1", undefined, 2_000);
    told.watermark("n2", undefined, 1_000);
    told.watermark("n1", undefined, null);
    for (const event of ["ended", "started"] as const)
      told.tell({ type: "process", atMs: 310, node: "n1", event, expected: true });
    told.watermark("n1", undefined, 1_500);
    expect(told.codes()).toEqual([]);
    told.watermark("n1", undefined, 1_499);
    expect(told.codes()).toEqual(["watermark_false"]);
  });
});

describe("an answer that does not say who gave it", () => {
  const nameless = { id: undefined };

  it("is checked by itself, and counted", () => {
    const write = told.put("n1", "a");
    told.get("n1", "a", [seen(write)], nameless);
    expect(told.codes()).toEqual([]);
    told.get("n1", "a", [], { ...nameless, completeThroughMs: told.clockMs });
    expect(told.codes()).toEqual(["complete_false"]);
    told.get("n1", "a", [{ version: told.version("n1"), value: "made up" }], nameless);
    expect(told.codes()).toEqual(["complete_false", "invented"]);
    expect(told.notes()).toEqual([
      "3 answers of n1 were without Hearsay-Node, so each was checked by itself alone",
    ]);
  });

  it("excuses no write of a node that lost its data, and accuses none", () => {
    const write = told.put("n1", "a");
    told.get("n2", "a", [seen(write)], nameless);
    told.fault({ kind: "disk-lost", lostId: idOf("n1") });
    told.final("a", [], ["n2", "n3"]);
    expect(told.codes()).toEqual([]);
    expect(told.counts().destroyed).toBe(2);
  });

  it("may claim to hold all through what is no time, and that is false", () => {
    told.put("n1", "a");
    told.get("n2", "a", [], { completeThroughMs: null });
    expect(told.codes()).toEqual(["complete_false"]);
  });
});

describe("what a node shows beside versions", () => {
  it("is invented when the content type is not the one that was written", () => {
    const write = told.put("n1", "a", { contentType: "text/plain; write=0" });
    told.get("n1", "a", [{ ...seen(write), contentType: "text/plain; write=0" }]);
    expect(told.codes()).toEqual([]);
    const brief = told.put("n1", "b", { contentType: "text/plain; write=1", ttlMs: 100 });
    told.wait(100);
    told.get("n1", "b", [{ version: brief.version ?? "" }]);
    expect(told.codes()).toEqual([]);
    told.get("n1", "a", [{ ...seen(write), contentType: "image/png" }]);
    expect(told.codes()).toEqual(["invented"]);
  });

  it("is unlisted when it holds a value of a key that it left out of all keys", () => {
    const write = told.put("n1", "a");
    const brief = told.put("n1", "b", { ttlMs: 60_000 });
    const gone = told.delete("n1", "c");
    told.final("b", [seen(brief)], undefined, false);
    told.final("c", [seen(gone)], undefined, false);
    told.final("a", [seen(write)], undefined, true);
    expect(told.codes()).toEqual([]);
    told.final("a", [seen(write)], ["n1"], false);
    expect(told.codes()).toEqual(["unlisted"]);
  });
});

describe("failed reads", () => {
  const codesAfter = (code: string, more: { readonly local: boolean }): string[] => {
    told = new ToldHistory(more.local ? {} : { processes: false });
    const write = told.put("n1", "a");
    for (let i = 0; i < 3; i++) {
      told.get("n1", "a", [seen(write)]);
      told.get("n1", "a", [], { outcome: "none", code, siblings: undefined });
    }
    told.final("a", [seen(write)]);
    told.tell({ type: "end", atMs: 100_000 });
    const half = told.allCodes();
    told.get("n1", "a", [], { outcome: "none", code, siblings: undefined });
    return [...half, "then", ...told.allCodes()];
  };

  it("leave a run unfinished when they are most, unless this run had ended the nodes", () => {
    expect(codesAfter("bad_answer", { local: true })).toEqual(["then", "unfinished"]);
    expect(codesAfter("timed_out", { local: false })).toEqual(["then", "unfinished"]);
    expect(codesAfter("timed_out", { local: true })).toEqual(["then"]);
  });
});
