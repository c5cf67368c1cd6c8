import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PROBLEMS, problemKind } from "./problems.ts";

const page = (name: string): string =>
  readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");

/** `status code` of rows such as ``| 400 | `code`, `code` (with `member`): an explanation |``. */
function rowsByStatus(text: string): string[] {
  return [...text.matchAll(/^\| (\d{3}) \| (.*) \|$/gm)].flatMap(([, status, codes = ""]) =>
    [...codes.replaceAll(/\([^)]*\)/g, "").matchAll(/`([a-z_]+)`/g)].map(([, code]) => `${status} ${code}`),
  );
}

/** Of rows such as ``| `code` | 400 | when |``. */
function rowsByCode(text: string): string[] {
  return [...text.matchAll(/^\| `([a-z_]+)` \| (\d{3}) \|/gm)].map(([, code, status]) => `${status} ${code}`);
}

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

  it("is what docs/http.md has, and docs/wire.md of what nodes tell one another", () => {
    const told = [...rowsByStatus(page("http.md")), ...rowsByCode(page("wire.md"))];
    const known = Object.entries(PROBLEMS).map(([code, { status }]) => `${status} ${code}`);
    expect([...new Set(told)].sort()).toEqual(known.sort());
  });

  it("knows no codes but its own, inherited names included", () => {
    expect(problemKind("nonsense")).toBeUndefined();
    expect(problemKind("toString")).toBeUndefined();
  });
});
