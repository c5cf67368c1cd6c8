import { beforeEach, describe, expect, it } from "vitest";
import { idOf, seen, ToldHistory } from "./told-history.contract.ts";

let told: ToldHistory;

beforeEach(() => {
  told = new ToldHistory();
});

describe("a history in which everything holds", () => {
  it("has no violation, whatever replaced what", () => {
    const first = told.put("n1", "a");
    told.get("n1", "a", [seen(first)], { completeThroughMs: 0 });
    const second = told.put("n2", "a");
    const gone = told.delete("n1", "b", { outcome: "ok" });
    told.get("n2", "b", [seen(gone)]);
    const one = told.put("n1", "c", { context: "empty" });
    const other = told.put("n2", "c", { context: "empty" });
    told.receipt("n3", second, ["n1", "n2", "n3"]);
    told.watermark("n3");
    told.final("a", [seen(second)]);
    told.final("b", []);
    told.final("c", [seen(other), seen(one)]);
    told.settled(200);
    expect(told.codes()).toEqual([]);
    expect(told.counts()).toEqual({ looked: 15, uncertain: 0, destroyed: 0, destroyedWith: {} });
  });
});

describe("lost", () => {
  it("is an acknowledged write that one node lacks at the end", () => {
    const write = told.put("n1", "a");
    told.final("a", [seen(write)], ["n1", "n2"]);
    told.final("a", [], ["n3"]);
    expect(told.codes()).toContain("lost");
  });

  it("is a write beside which another stands that was certainly over before", () => {
    const before = told.put("n2", "a");
    told.put("n1", "a");
    told.final("a", [seen(before)]);
    expect(told.codes()).toContain("lost");
  });

  it("is a write beside which another stands that had seen nothing", () => {
    told.put("n1", "a", { context: "empty" });
    const after = told.put("n2", "a", { context: "empty" });
    told.final("a", [seen(after)]);
    expect(told.codes()).toEqual(["lost"]);
  });

  it("is a write beside which another stands whose context is older", () => {
    const read = told.get("n1", "a", []);
    told.put("n1", "a");
    const after = told.put("n2", "a", { context: read.index });
    told.final("a", [seen(after)]);
    expect(told.codes()).toEqual(["lost"]);
  });

  it("is a deletion under which the old value stands, on all nodes alike", () => {
    const write = told.put("n2", "a");
    told.delete("n3", "a");
    told.final("a", [seen(write)], ["n1", "n2"]);
    expect(told.codes()).toEqual(["lost"]);
  });

  it("is not a write that may have been replaced by what stands there, nor one that failed or is uncertain", () => {
    told.put("n1", "a");
    const after = told.put("n2", "a");
    told.put("n3", "a", { outcome: "unknown", version: undefined });
    told.put("n3", "a", { outcome: "none", version: undefined });
    told.final("a", [seen(after)]);
    expect(told.codes()).toEqual([]);
  });

  it("is not a deleted key whose record was purged, nor a key that was written again after that", () => {
    told.put("n1", "a");
    told.delete("n1", "a");
    told.final("a", []);
    told.put("n1", "b");
    told.delete("n1", "b");
    const again = told.put("n2", "b", { context: "empty" });
    told.final("b", [seen(again)]);
    expect(told.codes()).toEqual([]);
  });

  it("is not a purged deletion beside whose successor an old copy of a directory has put an older deletion", () => {
    const old = told.delete("n2", "a");
    told.put("n3", "a", { context: "empty" });
    told.delete("n1", "a");
    const again = told.put("n3", "a", { context: "empty" });
    told.final("a", [seen(again), seen(old)]);
    expect(told.codes()).toEqual([]);
  });

  it("counts what only an uncertain deletion excuses", () => {
    told.put("n1", "a");
    told.delete("n2", "a", { outcome: "unknown", version: undefined });
    told.final("a", []);
    expect(told.codes()).toEqual([]);
    expect(told.counts().uncertain).toBe(3);
  });

  it("is not an expiring value whose time is over, but is one whose time is not", () => {
    told.put("n1", "a", { ttlMs: 50 });
    told.final("a", []);
    expect(told.codes()).toEqual([]);
    told.put("n1", "b", { ttlMs: 60_000 });
    told.final("b", [], ["n2", "n3"]);
    expect(told.codes()).toEqual(["lost"]);
  });
});

describe("destroyed data", () => {
  it("excuses what only that node acknowledged after the others had caught up, and nothing else", () => {
    const kept = told.put("n1", "kept");
    const alone = told.put("n1", "alone");
    told.fault({ kind: "disk-lost", lostId: idOf("n1"), keptThrough: kept.version });
    told.final("kept", [seen(kept)], ["n2", "n3"]);
    told.final("alone", [], ["n2", "n3"]);
    expect(told.codes()).toEqual([]);
    expect(told.counts()).toMatchObject({ destroyed: 2, destroyedWith: { [idOf("n1")]: 1 } });
    expect(alone.acks).toBe(1);
  });

  it("does not excuse what the others had, what two nodes held, and what another node showed", () => {
    for (const excuse of ["kept", "acks", "shown"]) {
      told = new ToldHistory();
      const write = told.put("n1", "a", excuse === "acks" ? { acks: 2 } : {});
      const later = told.put("n1", "b");
      if (excuse === "shown") told.get("n2", "a", [seen(write)]);
      const keptThrough = excuse === "kept" ? later.version : undefined;
      told.fault({ kind: "disk-lost", lostId: idOf("n1"), keptThrough });
      told.final("a", []);
      told.final("b", [seen(later)]);
      expect(told.codes(), excuse).toContain("lost");
    }
  });
});

describe("resurrected", () => {
  it("is a value that a deletion of its own coordinator had replaced", () => {
    const write = told.put("n1", "a");
    const gone = told.delete("n1", "a");
    told.final("a", [seen(gone), seen(write)]);
    expect(told.codes()).toEqual(["resurrected"]);
  });

  it("is a value that a deletion's node had shown, or whose context came from a read of it", () => {
    const write = told.put("n1", "a");
    told.get("n2", "a", [seen(write)]);
    told.delete("n2", "a");
    told.final("a", [seen(write)]);
    expect(told.codes()).toContain("resurrected");
    told = new ToldHistory();
    const other = told.put("n1", "a");
    const read = told.get("n3", "a", [seen(other)]);
    told.delete("n2", "a", { context: read.index });
    told.final("a", [seen(other)]);
    expect(told.codes()).toContain("resurrected");
  });

  it("is not a value that the deletion's node may not have had", () => {
    const write = told.put("n1", "a");
    const gone = told.delete("n2", "a");
    told.final("a", [seen(gone), seen(write)]);
    expect(told.codes()).toEqual([]);
  });
});

describe("invented", () => {
  it("is a value nobody wrote, to that key, by then, or with that version", () => {
    const write = told.put("n1", "a");
    told.get("n1", "a", [{ version: told.version("n1"), value: "made up" }]);
    expect(told.codes()).toEqual(["invented"]);
    told = new ToldHistory();
    told.get("n1", "b", [seen(write)]);
    expect(told.codes()).toEqual(["invented"]);
    told = new ToldHistory();
    const other = told.put("n1", "a");
    told.get("n1", "a", [{ ...seen(other), version: told.version("n1") }]);
    expect(told.codes()).toEqual(["invented"]);
  });

  it("is a value of a write that certainly failed, and a deletion nobody made", () => {
    const failed = told.put("n1", "a", { outcome: "none" });
    told.get("n1", "a", [seen(failed)]);
    expect(told.codes()).toEqual(["invented"]);
    told = new ToldHistory();
    told.put("n1", "a");
    told.get("n1", "a", [{ version: told.version("n1") }]);
    expect(told.codes()).toEqual(["invented"]);
  });

  it("is not a value or a deletion of unknown outcome", () => {
    const write = told.put("n1", "a", { outcome: "unknown", version: undefined });
    told.get("n1", "a", [{ ...seen(write), version: told.version("n1") }]);
    told.delete("n1", "a", { outcome: "unknown", version: undefined });
    told.get("n1", "a", [{ version: told.version("n1") }]);
    expect(told.codes()).toEqual([]);
  });
});

describe("went_back", () => {
  it("is an older winner than the same node has shown or acknowledged", () => {
    const first = told.put("n2", "a");
    const second = told.put("n2", "a");
    told.get("n1", "a", [seen(second)]);
    told.get("n1", "a", [seen(first)]);
    expect(told.codes()).toEqual(["went_back"]);
    told = new ToldHistory();
    const old = told.put("n1", "a");
    told.put("n1", "a");
    told.get("n1", "a", [seen(old)]);
    expect(told.codes()).toEqual(["went_back"]);
  });

  it("is a value that is gone without anybody having deleted it", () => {
    const write = told.put("n2", "a");
    told.get("n1", "a", [seen(write)]);
    told.get("n1", "a", []);
    expect(told.codes()).toEqual(["went_back"]);
  });

  it("is not an older winner on another node, on the same one in its next life, or while both reads were on their way", () => {
    const first = told.put("n2", "a");
    const second = told.put("n2", "a");
    const read = told.get("n1", "a", [seen(second)]);
    told.get("n3", "a", [seen(first)]);
    told.get("n1", "a", [seen(first)], { id: idOf("n1", 2) });
    told.get("n1", "a", [seen(first)], { startMs: read.startMs });
    expect(told.codes()).toEqual([]);
  });
});

describe("claims", () => {
  it("stale_after is a read that did not wait for what it was told to", () => {
    const first = told.put("n1", "a");
    const second = told.put("n1", "a");
    told.get("n2", "a", [seen(second)], { after: second.version });
    expect(told.codes()).toEqual([]);
    told.get("n3", "a", [seen(first)], { after: second.version });
    expect(told.codes()).toEqual(["stale_after"]);
  });

  it("receipt_false is a holder that shows less afterwards", () => {
    const write = told.put("n1", "a");
    told.receipt("n1", write, ["n1", "n2"]);
    told.get("n3", "a", []);
    expect(told.codes()).toEqual([]);
    told.get("n2", "a", []);
    expect(told.codes()).toEqual(["receipt_false"]);
  });

  it("watermark_false is a member that shows less than what every member was said to hold", () => {
    told.put("n1", "a");
    told.get("n2", "a", []);
    told.watermark("n1");
    expect(told.codes()).toEqual([]);
    told.get("n2", "a", []);
    expect(told.codes()).toEqual(["watermark_false"]);
  });

  it("watermark_false is not about a member that has joined since, until the watermark has moved on with it", () => {
    told.watermark("n1");
    told.wait(20_000);
    told.put("n1", "a");
    told.watermark("n1");
    told.watermark("n2", [idOf("n1"), idOf("n2", 2)]);
    told.get("n2", "a", [], { id: idOf("n2", 2) });
    told.wait(6_000);
    expect(told.codes()).toEqual([]);
    told.watermark("n2", [idOf("n1"), idOf("n2", 2)]);
    told.get("n2", "a", [], { id: idOf("n2", 2) });
    expect(told.codes()).toEqual(["watermark_false"]);
  });

  it("watermark_false is not about a member that was alone for long before it joined", () => {
    told.watermark("n1");
    told.wait(20_000);
    told.watermark("n2", [idOf("n2", 2)], null);
    told.put("n1", "a");
    told.wait(10_000);
    const throughMs = told.clockMs;
    told.watermark("n1", [idOf("n1"), idOf("n3")], throughMs);
    told.watermark("n2", [idOf("n1"), idOf("n2", 2), idOf("n3")], throughMs);
    told.get("n2", "a", [], { id: idOf("n2", 2) });
    expect(told.codes()).toEqual([]);
    told.wait(6_000);
    told.watermark("n1", [idOf("n1"), idOf("n2", 2), idOf("n3")]);
    told.get("n2", "a", [], { id: idOf("n2", 2) });
    expect(told.codes()).toEqual(["watermark_false"]);
  });

  it("watermark_false is not about a node's next life, nor about writes of one that lost its data", () => {
    told.put("n1", "a");
    told.watermark("n1");
    told.get("n2", "a", [], { id: idOf("n2", 2) });
    told.fault({ kind: "disk-lost", lostId: idOf("n1") });
    told.get("n3", "a", []);
    expect(told.codes()).toEqual([]);
  });

  it("complete_false is a node that says it holds all up to then and does not", () => {
    told.put("n1", "a");
    told.get("n2", "a", [], { completeThroughMs: told.clockMs - 1_000 });
    expect(told.codes()).toEqual([]);
    told.get("n2", "a", [], { completeThroughMs: told.clockMs });
    expect(told.codes()).toEqual(["complete_false"]);
  });

  it("expired is a value that is shown after its time, by as much as clocks may differ", () => {
    const write = told.put("n1", "a", { ttlMs: 1_000 });
    told.get("n1", "a", [seen(write)]);
    told.wait(2_000);
    expect(told.codes()).toEqual([]);
    told.get("n1", "a", [seen(write)]);
    expect(told.codes()).toEqual(["expired"]);
    const unsure = new ToldHistory({ clockErrorMs: 5_000 });
    const other = unsure.put("n1", "a", { ttlMs: 1_000 });
    unsure.wait(2_000);
    unsure.get("n1", "a", [seen(other)]);
    expect(unsure.codes()).toEqual([]);
  });
});

describe("the end", () => {
  it("diverged is two nodes that hold different siblings, but not a record that is purged on one of them first", () => {
    const one = told.put("n1", "a", { context: "empty" });
    const other = told.put("n2", "a", { context: "empty" });
    told.final("a", [seen(other), seen(one)], ["n1"]);
    told.final("a", [seen(other)], ["n2"]);
    expect(told.codes()).toEqual(["diverged", "lost"]);
    told = new ToldHistory();
    const gone = told.delete("n1", "a");
    told.final("a", [seen(gone)], ["n1"]);
    told.final("a", [], ["n2"]);
    expect(told.codes()).toEqual([]);
  });

  it("diverged is not a value that runs out while the nodes are read one after the other", () => {
    const write = told.put("n1", "a", { ttlMs: 1_000 });
    told.final("a", [seen(write)], ["n1"]);
    told.wait(500);
    told.final("a", [{ ...seen(write), expired: true }], ["n2"]);
    expect(told.codes()).toEqual([]);
  });

  it("not_converged, damaged, not_back and crashed are what nodes and processes say", () => {
    told.settled(null);
    told.tell({ type: "verify", node: "n1", sound: false, detail: "" });
    told.tell({ type: "process", atMs: 1, node: "n1", event: "not_back", expected: false });
    told.tell({ type: "process", atMs: 1, node: "n1", event: "ended", ending: "code 1", expected: false });
    expect(told.codes()).toEqual(["crashed", "damaged", "not_back", "not_converged"]);
  });

  it("crashed is not a node that does not start on a full disk, but is one that ends while it runs", () => {
    const end = (atMs: number): void =>
      told.tell({ type: "process", atMs, node: "n1", event: "ended", ending: "code 1", expected: false });
    told.tell({ type: "fault", atMs: 10, endMs: 50, kind: "disk-full", nodes: ["n1"], detail: "" });
    told.tell({ type: "process", atMs: 15, node: "n1", event: "ended", ending: "SIGKILL", expected: true });
    end(20);
    expect(told.codes()).toEqual([]);
    end(60);
    expect(told.codes()).toEqual(["crashed"]);
    told = new ToldHistory();
    told.tell({ type: "fault", atMs: 10, endMs: 50, kind: "disk-full", nodes: ["n1"], detail: "" });
    end(20);
    expect(told.codes()).toEqual(["crashed"]);
  });

  it("damaged is also a key that a node cannot show", () => {
    const write = told.put("n1", "a");
    told.final("a", [seen(write)], ["n1", "n2"]);
    const { id, node } = { id: idOf("n3"), node: "n3" };
    told.tell({
      type: "final",
      startMs: 1,
      endMs: 2,
      node,
      id,
      key: "a",
      siblings: [],
      unreadable: "record_damaged",
    });
    expect(told.codes()).toEqual(["damaged"]);
  });

  it("alarm is an error in a log, unless a fault of that node explains it", () => {
    told.tell({ type: "log", atMs: 2, node: "n1", text: "restarting {}" });
    expect(told.codes()).toEqual(["alarm"]);
    told.tell({ type: "fault", atMs: 1, endMs: 1, kind: "flip-bits", nodes: ["n2"], detail: "" });
    expect(told.codes()).toEqual(["alarm"]);
    told.tell({ type: "fault", atMs: 1, endMs: 1, kind: "flip-bits", nodes: ["n1"], detail: "" });
    expect(told.codes()).toEqual([]);
  });

  it("unfinished is a history that breaks off, in which nothing was acknowledged, or a key was not read on every node", () => {
    told.put("n1", "a", { outcome: "none" });
    expect(told.allCodes()).toEqual(["unfinished"]);
    told.tell({ type: "end", atMs: 5 });
    expect(told.allCodes()).toEqual(["unfinished"]);
    const write = told.put("n1", "a");
    told.final("a", [seen(write)], ["n1", "n2"]);
    expect(told.allCodes()).toEqual(["unfinished"]);
    told.final("a", [seen(write)], ["n3"]);
    expect(told.allCodes()).toEqual([]);
  });
});
