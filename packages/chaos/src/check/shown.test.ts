import { beforeEach, describe, expect, it } from "vitest";
import { seen, ToldHistory } from "./told-history.contract.ts";

let told: ToldHistory;

beforeEach(() => {
  told = new ToldHistory();
});

describe("a value that is shown without itself", () => {
  it("is lost and invented where nothing has deleted it, although its version stands there on all nodes alike", () => {
    for (const shown of ["deleted", "expired", "other"] as const) {
      told = new ToldHistory();
      const write = told.put("n1", "a");
      const { version } = seen(write);
      const other = told.put("n1", "b");
      told.final("b", [seen(other)]);
      if (shown === "deleted") told.final("a", [{ version }]);
      if (shown === "expired") told.final("a", [{ ...seen(write), expired: true }]);
      if (shown === "other") told.final("a", [{ ...seen(other), version }]);
      expect(told.codes(), shown).toEqual(["invented", "lost"]);
    }
  });

  it("replaces nothing either", () => {
    told.put("n1", "a");
    const after = told.put("n2", "a");
    told.final("a", [{ version: after.version ?? "" }]);
    expect(told.codes()).toEqual(["invented", "lost"]);
    expect(told.counts().uncertain).toBe(0);
  });

  it("is invented while the run goes on", () => {
    const write = told.put("n1", "a");
    told.get("n2", "a", [{ version: write.version ?? "" }]);
    expect(told.codes()).toEqual(["invented"]);
  });

  it("is in order once its time may be over, and not before", () => {
    for (const clockErrorMs of [0, 1_000]) {
      told = new ToldHistory({ clockErrorMs });
      const write = told.put("n1", "a", { ttlMs: 2_000 });
      const over = { version: write.version ?? "" };
      told.wait(1_500 - clockErrorMs);
      told.get("n1", "a", [over]);
      expect(told.codes()).toEqual(["invented"]);
      told = new ToldHistory({ clockErrorMs });
      const other = told.put("n1", "a", { ttlMs: 2_000 });
      told.wait(1_800 - clockErrorMs);
      told.get("n1", "a", [{ version: other.version ?? "" }]);
      told.get("n1", "a", [{ ...seen(other), expired: true }]);
      told.final("a", [{ ...seen(other), expired: true }]);
      expect(told.codes()).toEqual([]);
    }
  });

  it("may be one whose outcome is unknown, when it has a time that may be over", () => {
    told.put("n1", "a", { outcome: "unknown", version: undefined, ttlMs: 1_000 });
    const version = told.version("n1");
    told.get("n1", "a", [{ version }]);
    expect(told.codes()).toEqual(["invented"]);
    told = new ToldHistory();
    told.put("n1", "a", { outcome: "unknown", version: undefined, ttlMs: 1_000 });
    told.wait(1_000);
    told.get("n1", "a", [{ version: told.version("n1") }]);
    expect(told.codes()).toEqual([]);
  });
});
