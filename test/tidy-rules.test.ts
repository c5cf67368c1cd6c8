import { describe, expect, test } from "vitest";
import {
  barrels,
  brokenLinks,
  codeOf,
  firstColumnOf,
  ignoredNames,
  impurities,
  MAX_FILE_LINES,
  MAX_TEST_FILE_LINES,
  metricsOf,
  overlong,
  ownerless,
  strangersAtTop,
  topLevelOf,
  unequalLists,
  unequalRows,
  unfinished,
  weakTests,
} from "./tidy.ts";
import { layersOf, layerViolations, referenceViolations } from "./tidy-layers.ts";

const file = (path: string, text: string) => ({ path, text });
// Spelled in two parts, so that this file keeps the rules it tests.
const ONLY = `test.${"only"}`;
const LATER = `TO${"DO"}`;

describe("purity", () => {
  test.each([
    ["Date.now()", "nowMs"],
    ["new Date()", "Clock port"],
    ["performance.now()", "monotonic"],
    ["Math.random()", "Random port"],
    ["setTimeout(f, 1)", "timer effect"],
    ["clearInterval(t)", "timer effect"],
    ["setImmediate(f)", "timer effect"],
    ["crypto.randomUUID()", "Hashing"],
    ["process.env", "a port"],
    ["Buffer.from(x)", "ECMAScript"],
    ['import { createHash } from "node:crypto";', "port"],
  ])("refuses %s and says what to use", (code, instead) => {
    for (const name of ["core", "store", "wire", "node", "simulator"]) {
      const found = impurities(file(`packages/${name}/src/x.ts`, `const a = 1;\n${code}`));
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(`packages/${name}/src/x.ts:2`);
      expect(found[0]).toContain(instead);
    }
  });

  test("lets comments, strings, members of that name, tests and impure packages be", () => {
    const text = '// Date\n/* setTimeout\n Date */ const a = "Date"; b.process(); this.#process(); c.crypto;';
    expect(impurities(file("packages/core/src/x.ts", text))).toEqual([]);
    expect(impurities(file("packages/core/src/x.test.ts", "Date.now()"))).toEqual([]);
    expect(impurities(file("packages/server/src/x.ts", "Date.now()"))).toEqual([]);
  });

  test("sees code after a string that looks like a comment", () => {
    expect(impurities(file("packages/core/src/x.ts", 'const a = "//"; Date.now();'))).toHaveLength(1);
    expect(codeOf("a // b\nc", { strings: true })).toBe("a     \nc");
  });
});

test("files end at the bound, but for the list of what a package exports", () => {
  expect(overlong(file("packages/core/src/index.ts", "x\n".repeat(MAX_FILE_LINES + 1)))).toEqual([]);
  expect(overlong(file("packages/core/src/watch/index.ts", "x\n".repeat(MAX_FILE_LINES + 1)))).toHaveLength(
    1,
  );
  expect(overlong(file("a.ts", "x\n".repeat(MAX_FILE_LINES)))).toEqual([]);
  expect(overlong(file("a.ts", "x\n".repeat(MAX_FILE_LINES + 1)))[0]).toContain("split it");
  expect(overlong(file("a.test.ts", "x\n".repeat(MAX_TEST_FILE_LINES)))).toEqual([]);
  expect(overlong(file("a.test.ts", "x\n".repeat(MAX_TEST_FILE_LINES + 1)))[0]).toContain("split it");
});

test.each(["core/src/utils.ts", "core/src/utils/x.ts", "a/helper.ts", "a/test-helpers.ts", "a/common/x.ts"])(
  "%s has no owner",
  (path) => {
    expect(ownerless(path)).toHaveLength(1);
  },
);

test.each(["core/src/community.ts", "core/src/sharedness.ts", "packages/node/src/clock.ts"])(
  "%s may be called so",
  (path) => {
    expect(ownerless(path)).toEqual([]);
  },
);

test("tests all run", () => {
  expect(weakTests(file("test/a.test.ts", `${ONLY}("x", f);`))[0]).toContain("skipIf");
  expect(weakTests(file("packages/core/src/a.test.ts", `  describe.${"skip"}("x", f);`))).toHaveLength(1);
  expect(weakTests(file("test/a.test.ts", `it.${"todo"}("x");`))).toHaveLength(1);
  expect(weakTests(file("test/a.test.ts", 'it.skipIf(root)("x, which root may not do", f);'))).toEqual([]);
  expect(weakTests(file("packages/core/src/a.ts", "latest.only();"))).toEqual([]);
});

test("only a package's index exports what another file has, name by name", () => {
  const reexport = file("packages/core/src/x.ts", 'export {\n  a,\n} from "./a.ts";');
  expect(barrels(reexport)[0]).toContain("import that file");
  expect(barrels({ ...reexport, path: "packages/core/src/index.ts" })).toEqual([]);
  expect(barrels(file("packages/core/src/index.ts", 'export * from "./a.ts";'))[0]).toContain(
    "list the names",
  );
  expect(barrels(file("packages/core/src/rumor/index.ts", "export const a = 1;"))).toHaveLength(1);
  expect(barrels(file("packages/core/src/x.ts", "export { a };"))).toEqual([]);
});

test("nothing is left for later", () => {
  expect(unfinished(file("a.ts", `// ${LATER}: x`))[0]).toContain("finish it");
  expect(unfinished(file("a.ts", "const method = 1;"))).toEqual([]);
});

test("the top level holds what the architecture lists", () => {
  const page = "# A\n\n## Top level\n\nText.\n\n```text\npackages/   the code\nREADME.md   this\n```\n";
  expect(topLevelOf(page)).toEqual(["packages", "README.md"]);
  expect(strangersAtTop(["packages", "README.md", ".git"], topLevelOf(page))).toEqual([]);
  expect(strangersAtTop(["scripts"], topLevelOf(page))[0]).toContain("move it");
  expect(ignoredNames("# built\nnode_modules/\n/.hearsay/\n*.log\n\n")).toEqual(["node_modules", ".hearsay"]);
});

test("a list in the code and its page are the same", () => {
  const page = {
    path: "docs/x.md",
    names: firstColumnOf("| knob | x |\n|---|---|\n| `a.b` | 1 |\n| `c` | 2 |"),
  };
  expect(unequalLists("knob", ["a.b", "c"], page)).toEqual([]);
  expect(unequalLists("knob", ["a.b", "c", "d"], page)).toEqual(["docs/x.md: add a row for the knob `d`"]);
  expect(unequalLists("knob", ["c"], page)).toEqual(["docs/x.md: remove `a.b`: there is no such knob"]);
});

test("a table made from the code has its rows, to the letter", () => {
  const page = file("docs/x.md", "| knob | default |\n|---|---|\n| `a` | 1 |\n| `b` | 2 |\n");
  expect(unequalRows(page, ["| `a` | 1 |", "| `b` | 2 |"])).toEqual([]);
  expect(unequalRows(page, ["| `a` | 1 |", "| `b` | 3 |"])).toEqual([
    "docs/x.md: add the row: | `b` | 3 |",
    "docs/x.md: remove the row, the code has no such one: | `b` | 2 |",
  ]);
});

test("links lead somewhere", () => {
  const text = "[a](a.md) [b](../README.md#part) [c](https://example.org/x) [d](#here) [e](decisions/)";
  const found = brokenLinks(
    file("docs/x.md", text),
    (path) => path === "README.md" || path === "docs/decisions",
  );
  expect(found).toEqual(["docs/x.md: links to docs/a.md, which is not there: name the page that is"]);
});

test("metrics are found by their names in the sources", () => {
  const source = '// "hearsay_old"\ncount("hearsay_a_total"); gauge(`hearsay_b`); prefix("hearsay_");';
  expect(metricsOf(file("packages/node/src/x.ts", source))).toEqual(["hearsay_a_total", "hearsay_b"]);
  expect(metricsOf(file("packages/node/src/x.test.ts", source))).toEqual([]);
});

describe("layers", () => {
  const table = [
    "| layer | package | what it is | imports |",
    "|---|---|---|---|",
    "| 0 | `core` | laws | nothing |",
    "| 1 | `store` | disk | core; merkletreejs |",
  ].join("\n");
  const core = { package: "core", dependencies: [] };
  const store = { package: "store", dependencies: ["core", "merkletreejs"] };

  test("that are as declared pass", () => {
    expect(layersOf(table)).toEqual([
      { level: 0, package: "core", imports: [] },
      { level: 1, package: "store", imports: ["core", "merkletreejs"] },
    ]);
    expect(layerViolations(layersOf(table), [core, store])).toEqual([]);
  });

  test.each([
    [
      "an undeclared library",
      [core, { ...store, dependencies: [...store.dependencies, "lodash"] }],
      "`lodash`",
    ],
    ["an undeclared package", [{ ...core, dependencies: ["store"] }, store], "packages/core/package.json"],
    ["a declared import that is not there", [core, { ...store, dependencies: ["core"] }], "merkletreejs"],
    ["a package without a row", [core, store, { package: "extra", dependencies: [] }], "add a row"],
    ["a row without a package", [store], "remove the row"],
  ])("with %s fail", (_, manifests, message) => {
    const found = layerViolations(layersOf(table), manifests);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  test("that import sideways or upwards fail, though the table says so", () => {
    const sideways = [
      { level: 1, package: "store", imports: ["wire"] },
      { level: 1, package: "wire", imports: [] },
    ];
    const manifests = sideways.map(({ package: name, imports }) => ({
      package: name,
      dependencies: imports,
    }));
    expect(layerViolations(sideways, manifests)[0]).toContain("through a port");
  });

  test("and compiler references that differ fail either way", () => {
    expect(referenceViolations("t.json", ["core"], ["core"])).toEqual([]);
    expect(referenceViolations("t.json", [], ["core"])[0]).toContain("add a reference to packages/core");
    expect(referenceViolations("t.json", ["core"], [])[0]).toContain("remove the reference");
  });
});
