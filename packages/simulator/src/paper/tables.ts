/** Every published table by its name, in the order in which they are printed. */
import { articles } from "./articles.ts";
import { baselines } from "./baselines.ts";
import { demers } from "./demers.ts";
import type { PaperSettings, PaperTable } from "./figure.ts";
import { memberlist, phiAccrual } from "./formulas.ts";
import { glomers } from "./glomers.ts";
import { rounds } from "./rounds.ts";
import { swim } from "./swim.ts";

export type TableName =
  | "demers"
  | "rounds"
  | "swim"
  | "memberlist"
  | "phi"
  | "glomers"
  | "articles"
  | "baselines";

interface TableOf {
  readonly measure: (settings: PaperSettings) => PaperTable;
  /** Settings that change it. */
  readonly takes: readonly (keyof PaperSettings)[];
}

const TABLES: Readonly<Record<TableName, TableOf>> = {
  demers: { measure: demers, takes: ["nodes", "k", "fanout", "loss", "runs"] },
  rounds: { measure: rounds, takes: ["nodes", "fanout", "loss", "runs"] },
  swim: { measure: swim, takes: ["nodes", "loss", "runs"] },
  memberlist: { measure: memberlist, takes: [] },
  phi: { measure: phiAccrual, takes: [] },
  glomers: { measure: glomers, takes: ["nodes", "k", "fanout", "loss"] },
  articles: { measure: articles, takes: ["nodes", "fanout", "loss", "runs"] },
  baselines: { measure: baselines, takes: ["nodes", "k", "fanout", "loss", "runs"] },
};

export const TABLE_NAMES: readonly TableName[] = [
  "demers",
  "rounds",
  "swim",
  "memberlist",
  "phi",
  "glomers",
  "articles",
  "baselines",
];

export function runTable(name: TableName, settings: PaperSettings): PaperTable {
  return TABLES[name].measure(settings);
}

/** The settings by which the table is measured otherwise. */
export function settingsOf(name: TableName): readonly (keyof PaperSettings)[] {
  return TABLES[name].takes;
}
