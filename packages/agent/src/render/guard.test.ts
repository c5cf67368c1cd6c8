import { describe, expect, it } from "vitest";
import { refusal } from "./guard.ts";

const file = { path: "/etc/x", prefixes: [] };

describe("the guard", () => {
  it("lets files be made, grow, and shrink up to the share", () => {
    expect(refusal({ ...file, fromBytes: undefined, toBytes: 1 }, 0)).toBeUndefined();
    expect(refusal({ ...file, fromBytes: 0, toBytes: 0 }, 50)).toBeUndefined();
    expect(refusal({ ...file, fromBytes: 10, toBytes: 100 }, 0)).toBeUndefined();
    expect(refusal({ ...file, fromBytes: 100, toBytes: 50 }, 50)).toBeUndefined();
  });

  it("refuses an empty file in the place of one that is not, or of none, whatever the share", () => {
    expect(refusal({ ...file, fromBytes: undefined, toBytes: 0 }, 100)).toMatchObject({
      code: "would_empty",
    });
    expect(refusal({ ...file, fromBytes: 1, toBytes: 0 }, 100)).toMatchObject({
      code: "would_empty",
      bytes: 1,
    });
  });

  it("refuses a file that loses more than the share", () => {
    expect(refusal({ ...file, fromBytes: 100, toBytes: 49 }, 50)).toMatchObject({
      code: "would_shrink",
      fromBytes: 100,
      toBytes: 49,
    });
  });

  it("refuses when a prefix lost more than the share of its keys, or all", () => {
    const counts = (fromKeys: number | undefined, toKeys: number) => ({
      ...file,
      fromBytes: 10,
      toBytes: 10,
      prefixes: [{ prefix: "p/", fromKeys, toKeys }],
    });
    expect(refusal(counts(10, 4), 50)).toMatchObject({ code: "prefix_shrank", fromKeys: 10, toKeys: 4 });
    expect(refusal(counts(1, 0), 100)).toMatchObject({ code: "prefix_shrank" });
    expect(refusal(counts(10, 5), 50)).toBeUndefined();
    expect(refusal(counts(undefined, 0), 50)).toBeUndefined();
  });
});
