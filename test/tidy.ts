/**
 * The rules of the code base that no other tool checks. Each rule is a function from texts to violations, so that
 * its own test can show it bad input; `tidy.test.ts` runs them all over the repository.
 */

/** A file of the repository, its path relative to the top with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** One line that says where the rule is broken and what to write in its place. */
export type Violation = string;

export const MAX_FILE_LINES = 320;
/** Tests are read one at a time, so a file of them may be longer. */
export const MAX_TEST_FILE_LINES = 520;
const PURE_PACKAGES = ["core", "store", "wire", "node", "simulator"] as const;

/** What the pure packages may not touch, and what to use there. */
const IMPURE: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\bDate\b/, instead: "take `nowMs` as a parameter or from the Clock port" },
  { pattern: /\bperformance\b/, instead: "take the monotonic time as a parameter" },
  { pattern: /\bMath\.random\b/, instead: "take a generator as a parameter or from the Random port" },
  {
    pattern: /\b(?:set|clear)(?:Timeout|Interval|Immediate)\b/,
    instead: "return a timer effect and let the driver run it",
  },
  { pattern: /(?<![.#\w])crypto\b/, instead: "take a Hashing from the caller" },
  {
    pattern: /(?<![.#\w])(?:process|Buffer|global|__dirname)\b/,
    instead: "use what ECMAScript has, or a port",
  },
];

/** Blanks comments out, and the contents of strings too where asked; line numbers stay. */
export function codeOf(text: string, keep: { readonly strings: boolean }): string {
  const token = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return text.replace(token, (found) => {
    const isComment = found.startsWith("//") || found.startsWith("/*");
    return isComment || !keep.strings ? found.replace(/[^\n]/g, " ") : found;
  });
}

function* matches(file: SourceFile, code: string, pattern: RegExp): Generator<string> {
  for (const [i, line] of code.split("\n").entries()) {
    const found = pattern.exec(line);
    if (found !== null) yield `${file.path}:${i + 1}: \`${found[0]}\``;
  }
}

function isTest(path: string): boolean {
  return path.startsWith("test/") || /\.(?:test|contract)\.ts$/.test(path);
}

export function impurities(file: SourceFile): Violation[] {
  const pure = PURE_PACKAGES.some((name) => file.path.startsWith(`packages/${name}/src/`));
  if (!pure || isTest(file.path)) return [];
  const code = codeOf(file.text, { strings: false });
  const found = IMPURE.flatMap(({ pattern, instead }) =>
    [...matches(file, code, pattern)].map((where) => `${where} in a pure package: ${instead}`),
  );
  const imports = [...matches(file, codeOf(file.text, { strings: true }), /["']node:[a-z/]+["']/)];
  return [
    ...found,
    ...imports.map((where) => `${where} in a pure package: have the effect handed in through a port`),
  ];
}

/** What a package exports is one list, however long. */
export function overlong(file: SourceFile): Violation[] {
  if (/^packages\/[a-z]+\/src\/index\.ts$/.test(file.path)) return [];
  const lines = file.text.split("\n").length - 1;
  const isTest = file.path.startsWith("test/") || /\.(?:test|contract)\.ts$/.test(file.path);
  const most = isTest ? MAX_TEST_FILE_LINES : MAX_FILE_LINES;
  return lines <= most
    ? []
    : [`${file.path}: ${lines} lines: split it into files of at most ${most}, a concept each`];
}

export function ownerless(path: string): Violation[] {
  if (!/(?:^|[/.-])(?:utils?|helpers?|common|misc|shared)(?:[/.-]|$)/.test(path)) return [];
  return [`${path}: name the file after the one concept it holds, or move each function beside its user`];
}

export function weakTests(file: SourceFile): Violation[] {
  if (!isTest(file.path)) return [];
  const code = codeOf(file.text, { strings: false });
  const pattern = /\b(?:test|it|describe|suite)\.(?:only|skip|todo|fails)\b(?!If)/;
  return [...matches(file, code, pattern)].map(
    (where) => `${where}: run it, delete it, or use \`skipIf\` with the reason in the name`,
  );
}

export function barrels(file: SourceFile): Violation[] {
  const code = codeOf(file.text, { strings: false });
  const stars = [...matches(file, code, /\bexport\s+(?:type\s+)?\*/)].map(
    (where) => `${where}: list the names that are exported`,
  );
  if (/^packages\/[a-z-]+\/src\/index\.ts$/.test(file.path)) return stars;
  const index = /(?:^|\/)index\.ts$/.test(file.path)
    ? [`${file.path}: only packages/*/src/index.ts may be an index: import the file that has the name`]
    : [];
  const reexport = /\bexport\s+(?:type\s+)?\{[^}]*\}\s*from\b/.exec(code);
  if (reexport === null) return [...stars, ...index];
  return [
    ...stars,
    ...index,
    `${file.path}: re-exports from another file: have its users import that file, or the package's index`,
  ];
}

export function unfinished(file: SourceFile): Violation[] {
  return [...matches(file, file.text, /\b(?:TO[D]O|FI[X]ME|X{3}|HA[C]K)\b/)].map(
    (where) => `${where}: finish it, or write the limit down in the package's page in docs/`,
  );
}

export function strangersAtTop(names: readonly string[], allowed: readonly string[]): Violation[] {
  return names
    .filter((name) => !name.startsWith(".") && !allowed.includes(name))
    .map(
      (name) =>
        `${name}: not one of the top level's entries in docs/architecture.md: move it into one of those`,
    );
}

/** Names that `.gitignore` keeps out of the repository; patterns with a star are not understood. */
export function ignoredNames(gitignore: string): string[] {
  return gitignore
    .split("\n")
    .map((line) => line.trim().replaceAll(/^\/|\/$/g, ""))
    .filter((name) => /^[\w.-]+$/.test(name));
}

/** The names in the block under "## Top level", one a line, a comment after it. */
export function topLevelOf(architecture: string): string[] {
  const block = /^## Top level\n[\s\S]*?^```[a-z]*\n([\s\S]*?)^```/m.exec(architecture)?.[1] ?? "";
  return block
    .split("\n")
    .map((line) => line.trim().split(/\s/)[0]?.replace(/\/$/, "") ?? "")
    .filter((name) => name !== "");
}

/** Names that a page and the code should both have; each missing one is a violation. */
export function unequalLists(
  subject: string,
  code: Iterable<string>,
  page: { readonly path: string; readonly names: Iterable<string> },
): Violation[] {
  const [inCode, onPage] = [new Set(code), new Set(page.names)];
  const missing = [...inCode].filter((name) => !onPage.has(name));
  const extra = [...onPage].filter((name) => !inCode.has(name));
  return [
    ...missing.map((name) => `${page.path}: add a row for the ${subject} \`${name}\``),
    ...extra.map((name) => `${page.path}: remove \`${name}\`: there is no such ${subject}`),
  ];
}

/**
 * A page's table that is made from a table in the code: its rows, those that start with a name in backticks, are
 * the expected ones, no more and no fewer.
 */
export function unequalRows(page: SourceFile, expected: readonly string[]): Violation[] {
  const rows = page.text.split("\n").filter((line) => line.startsWith("| `"));
  return [
    ...expected.filter((row) => !rows.includes(row)).map((row) => `${page.path}: add the row: ${row}`),
    ...rows
      .filter((row) => !expected.includes(row))
      .map((row) => `${page.path}: remove the row, the code has no such one: ${row}`),
  ];
}

/** What stands in backticks in the first column of the page's tables. */
export function firstColumnOf(page: string): string[] {
  return [...page.matchAll(/^\| `([^`]+)`/gm)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

/** Links of a page to files that are not there. Links to other sites are not looked at. */
export function brokenLinks(page: SourceFile, exists: (path: string) => boolean): Violation[] {
  const folder = page.path.split("/").slice(0, -1);
  return [...page.text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].flatMap(([, target = ""]) => {
    if (/^[a-z]+:/.test(target)) return [];
    const parts = [...folder];
    for (const part of target.split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "." && part !== "") parts.push(part);
    }
    const path = parts.join("/");
    return exists(path) ? [] : [`${page.path}: links to ${path}, which is not there: name the page that is`];
  });
}

/** The metrics that a source file names. */
export function metricsOf(file: SourceFile): string[] {
  if (isTest(file.path)) return [];
  const code = codeOf(file.text, { strings: true });
  return [...code.matchAll(/["'`](hearsay_[a-z0-9_]+)["'`]/g)].flatMap(([, name]) => name ?? []);
}
