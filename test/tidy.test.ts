/** The rules of `tidy.ts` over this repository. A message tells what to write in place of what it found. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  barrels,
  brokenLinks,
  firstColumnOf,
  ignoredNames,
  impurities,
  metricsOf,
  overlong,
  ownerless,
  type SourceFile,
  strangersAtTop,
  topLevelOf,
  unequalLists,
  unfinished,
  type Violation,
  weakTests,
} from "./tidy.ts";
import { layersOf, layerViolations, type Manifest, referenceViolations } from "./tidy-layers.ts";

const top = new URL("../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, top), "utf8");

const BUILT = ["node_modules", "dist"];

function* filesIn(folder: string, ending: string): Generator<SourceFile> {
  for (const entry of readdirSync(new URL(folder, top), { withFileTypes: true })) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory()) {
      if (!BUILT.includes(entry.name)) yield* filesIn(`${path}/`, ending);
    } else if (entry.name.endsWith(ending)) yield { path, text: read(path) };
  }
}

const sources = [...filesIn("packages/", ".ts"), ...filesIn("test/", ".ts")];
const pages = [...filesIn("docs/", ".md"), { path: "README.md", text: read("README.md") }];
const architecture = read("docs/architecture.md");
const packages = readdirSync(new URL("packages/", top)).sort();

/** A JSON file, comments allowed on lines of their own. */
function json(path: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(read(path).replaceAll(/^\s*\/\/.*$/gm, ""));
  if (typeof parsed !== "object" || parsed === null) throw new TypeError(`${path} is no JSON object`);
  return Object.fromEntries(Object.entries(parsed));
}

function manifestOf(folder: string): Manifest {
  const { dependencies } = json(`${folder}/package.json`);
  const names = Object.keys(typeof dependencies === "object" ? { ...dependencies } : {});
  return {
    package: folder.replace("packages/", ""),
    dependencies: names
      .filter((name) => !name.startsWith("@types/"))
      .map((name) => name.replace("@hearsay/", "")),
  };
}

function referencesOf(config: string): string[] {
  const { references } = json(config);
  if (!Array.isArray(references)) return [];
  return references.flatMap((reference: unknown) => {
    const path = JSON.stringify(reference).match(/"path":"(?:\.\.\/)+(?:packages\/)?([a-z-]+)"/)?.[1];
    return path === undefined ? [] : [path];
  });
}

function all(rule: (file: SourceFile) => Violation[]): Violation[] {
  return sources.flatMap(rule);
}

describe("the repository", () => {
  test("has sources to look at", () => {
    expect(packages).toContain("core");
    expect(sources.length).toBeGreaterThan(30);
  });

  test("keeps time, chance and effects out of the pure packages", () => {
    expect(all(impurities)).toEqual([]);
  });

  test("has no file beyond the bound", () => {
    expect(all(overlong)).toEqual([]);
  });

  test("has no file without an owner", () => {
    expect(all(({ path }) => ownerless(path))).toEqual([]);
  });

  test("runs all its tests", () => {
    expect(all(weakTests)).toEqual([]);
  });

  test("exports names from where they are defined, and once from a package's index", () => {
    expect(all(barrels)).toEqual([]);
  });

  test("leaves nothing for later", () => {
    expect(all(unfinished)).toEqual([]);
  });

  test("has pages whose links lead somewhere", () => {
    expect(pages.flatMap((page) => brokenLinks(page, (path) => existsSync(new URL(path, top))))).toEqual([]);
  });

  test("has every metric in docs/metrics.md, and no other", () => {
    const path = "docs/metrics.md";
    const names = firstColumnOf(read(path));
    expect(unequalLists("metric", sources.flatMap(metricsOf), { path, names })).toEqual([]);
  });

  test("has at its top level what docs/architecture.md lists", () => {
    const ignored = ignoredNames(read(".gitignore"));
    const names = readdirSync(top).filter((name) => !ignored.includes(name));
    expect(strangersAtTop(names, topLevelOf(architecture))).toEqual([]);
  });

  test("has the layers that docs/architecture.md declares", () => {
    const manifests = packages.map((name) => manifestOf(`packages/${name}`));
    expect(layerViolations(layersOf(architecture), manifests)).toEqual([]);
  });

  test("tells the compiler of the dependencies that the manifests have", () => {
    const isPackage = (name: string): boolean => packages.includes(name);
    const found = packages.flatMap((name) => {
      const config = `packages/${name}/tsconfig.json`;
      return referenceViolations(
        config,
        referencesOf(config),
        manifestOf(`packages/${name}`).dependencies.filter(isPackage),
      );
    });
    const tests = ["test/tsconfig.json", "test/tsconfig.unit.json"].flatMap((config) =>
      referenceViolations(config, referencesOf(config), packages),
    );
    expect([...found, ...tests]).toEqual([]);
  });
});
