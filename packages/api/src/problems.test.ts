import { describe, expect, it } from "vitest";
import { PROBLEMS, problemKind } from "./problems.ts";

describe("the problem table", () => {
  it.each(Object.entries(PROBLEMS))(
    "%s is a stable code with an error status, a title and a next step",
    (code, kind) => {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(kind.status).toBeGreaterThanOrEqual(400);
      expect(kind.title.length).toBeGreaterThan(10);
      expect(kind.title).not.toMatch(/\.$/);
      expect(kind.next).toMatch(/\.$/);
      expect(problemKind(code)).toBe(kind);
    },
  );

  it("knows no codes but its own, inherited names included", () => {
    expect(problemKind("nonsense")).toBeUndefined();
    expect(problemKind("toString")).toBeUndefined();
  });
});
