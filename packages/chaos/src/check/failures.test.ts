import { beforeEach, describe, expect, it } from "vitest";
import { seen, ToldHistory } from "./told-history.contract.ts";

let told: ToldHistory;

beforeEach(() => {
  told = new ToldHistory();
});

describe("internal_error", () => {
  const failed = { outcome: "unknown", version: undefined } as const;

  it("names each node that failed in itself, how often, and when first", () => {
    const write = told.put("n1", "a");
    told.put("n1", "b", { ...failed, code: "internal", status: 500 });
    told.get("n1", "a", [], { outcome: "none", code: "internal_error", status: 500, siblings: undefined });
    told.get("n2", "a", [seen(write)]);
    told.receipt("n2", write, [], { outcome: "none", code: "internal", holders: undefined });
    expect(told.codes()).toEqual(["internal_error"]);
    expect(told.details("internal_error")).toEqual([
      "n1 answered 2 of 3 requests with an internal error, first the put at 0.400 s (internal)",
      "n2 answered 1 of 2 requests with an internal error, first the receipt at 1.000 s (internal)",
    ]);
  });

  it("is not what tells of a disk, of an overload, or comes from no node", () => {
    for (const [code, status] of [
      ["record_damaged", 500],
      ["write_failed", 500],
      ["overloaded", 503],
      ["ack_timeout", 504],
      ["bad_answer", 500],
      ["unreachable", undefined],
    ] as const)
      told.put("n1", "a", { ...failed, code, status });
    expect(told.codes()).toEqual([]);
  });
});

describe("what no node answers", () => {
  it("is noted, with the node, how often, and the first", () => {
    told.put("n1", "a");
    const garbage = { outcome: "none", code: "bad_answer", status: 200, reason: "it is not JSON" } as const;
    told.get("n1", "a", [], { ...garbage, siblings: undefined });
    told.delete("n1", "b", { ...garbage, version: undefined });
    expect(told.codes()).toEqual([]);
    expect(told.notes()).toEqual([
      "2 of 3 requests to n1 got what no node answers, first the get of a at 0.400 s (status 200: it is not JSON)",
    ]);
  });
});

describe("unfinished", () => {
  const failed = (code: string) => ({ outcome: "none", code }) as const;
  const end = (): string[] => {
    told.tell({ type: "end", atMs: 100_000 });
    return told.allCodes();
  };

  it("is a run of whose receipts most failed, unless this run had ended the nodes or asked for few", () => {
    const receipts = (count: number, code: string): string[] => {
      told = new ToldHistory();
      const write = told.put("n1", "a");
      for (let i = 0; i < count; i++) {
        if (i % 2 === 1) told.receipt("n1", write, ["n1"]);
        else told.receipt("n1", write, [], { ...failed(code), holders: undefined });
      }
      told.final("a", [seen(write)]);
      return end();
    };
    expect(receipts(11, "bad_answer")).toEqual(["unfinished"]);
    expect(receipts(10, "bad_answer")).toEqual([]);
    expect(receipts(11, "unreachable")).toEqual([]);
    expect(receipts(9, "bad_answer")).toEqual([]);
  });

  it("is a run of whose writes most got what no node answers, and not one that was refused most", () => {
    const writes = (code: string): string[] => {
      told = new ToldHistory();
      const write = told.put("n1", "a");
      for (const key of ["b", "c"]) told.put("n1", key, { ...failed(code), version: undefined });
      told.final("a", [seen(write)]);
      return end();
    };
    expect(writes("bad_answer")).toEqual(["unfinished"]);
    expect(writes("ack_timeout")).toEqual([]);
  });
});
