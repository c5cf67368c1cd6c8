/** `sim paper`: the published tables, measured beside published. */
import { access, constants, open, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import {
  type Figure,
  isWithin,
  type PaperSettings,
  type PaperTable,
  settingsOf,
  TABLE_NAMES,
  type TableName,
} from "@hearsay/simulator";
import type { PaperFlags } from "../commands/sim-paper.ts";
import { CliError, EXIT } from "../failure.ts";
import type { Io } from "../io.ts";
import { Printer } from "../printer.ts";
import { ProgressLine } from "../progress.ts";
import { namesOf } from "./names.ts";
import { Pool } from "./pool.ts";

export async function printPaper(io: Io, asked: readonly string[], flags: PaperFlags): Promise<void> {
  const names = namesOf<TableName>("table", asked, TABLE_NAMES);
  const { nodes, k, fanout, loss, runs } = flags;
  const settings = { nodes, k, fanout, loss, runs };
  refuseUnused(names, settings, flags.svg !== undefined);
  if (flags.svg !== undefined) await requireWritable(flags.svg);
  const progress = new ProgressLine(io, () => performance.now());
  const show = (done: number, of: number): void => progress.update(() => `${done} of ${of} done`);
  const pool = new Pool({ signal: io.stopped, onDone: show });
  const running = names.map((name) => pool.run<"table">({ kind: "table", name, settings }));
  const plot = flags.svg === undefined ? undefined : pool.run<"plot">({ kind: "plot", settings });
  show(0, names.length + (plot === undefined ? 0 : 1));
  const tables = await Promise.all([...running, plot])
    .then(() => Promise.all(running))
    .finally(() => pool.close());
  progress.end();
  const print = new Printer(io, { json: flags.json === true });
  if (print.json) await print.document({ tables: tables.map(asJson) });
  else for (const table of tables) await printTable(print, table);
  // Where the file cannot be written any more, what was measured is printed all the same.
  if (flags.svg !== undefined && plot !== undefined) {
    await writeFile(flags.svg, await plot);
    await print.note(`Plot written to ${flags.svg}.`);
  }
  refuseOutOfBand(tables);
}

/** Makes no file, and leaves one that is there as it is. @throws the system's error where none could be written */
export async function requireWritable(path: string): Promise<void> {
  try {
    const found = await stat(path);
    // A pipe would end for its reader.
    if (found.isFile() || found.isDirectory()) await (await open(path, "a")).close();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    await access(dirname(path), constants.W_OK);
  }
}

async function printTable(print: Printer, { name, source, setting, figures }: PaperTable): Promise<void> {
  await print.line(`${name}: ${source}`);
  await print.line(setting);
  await print.table(
    ["SETTING", "FIGURE", "PUBLISHED", "MEASURED", "BAND", ""],
    figures.map((figure) => [
      figure.setting,
      figure.name,
      figure.published ?? "-",
      shownNumber(figure.measured),
      figure.band === undefined ? "-" : figure.band.map(shownNumber).join(" to "),
      verdictOf(figure),
    ]),
  );
  await print.line("");
}

function verdictOf(figure: Figure): string {
  if (figure.band === undefined) return "";
  return isWithin(figure) ? "ok" : "OUT";
}

/** Three digits that count, which is what the papers print. */
export function shownNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function asJson(table: PaperTable): object {
  return { ...table, figures: table.figures.map((figure) => ({ ...figure, ok: isWithin(figure) })) };
}

/** @throws CliError for a setting that none of the tables takes, nor a plot */
export function refuseUnused(names: readonly TableName[], settings: PaperSettings, hasPlot: boolean): void {
  const taken = new Set(names.flatMap(settingsOf));
  if (hasPlot) for (const setting of settingsOf("rounds")) taken.add(setting);
  const unused = Object.entries(settings).find(
    ([setting, value]) => value !== undefined && ![...taken].some((one) => one === setting),
  );
  if (unused === undefined) return;
  const [setting] = unused;
  throw new CliError(`--${setting} changes nothing in ${names.join(", ")}`, {
    code: "unused_setting",
    exit: EXIT.usage,
    next: `Leave it out, or name a table that takes it: ${TABLE_NAMES.filter((name) => settingsOf(name).some((one) => one === setting)).join(", ")}.`,
  });
}

/** @throws CliError that names every figure outside its band */
export function refuseOutOfBand(tables: readonly PaperTable[]): void {
  const out = tables.flatMap(({ name, figures }) =>
    figures.filter((figure) => !isWithin(figure)).map((figure) => ({ name, figure })),
  );
  if (out.length === 0) return;
  const named = out.map(
    ({ name, figure }) =>
      `${name}: ${figure.setting}: ${figure.name} is ${shownNumber(figure.measured)}, published ${figure.published}`,
  );
  throw new CliError(`outside of the band:\n${named.join("\n")}`, {
    code: "out_of_band",
    exit: EXIT.error,
    next: "Seeds are fixed, so this is a change of the code, or too few --runs.",
  });
}
