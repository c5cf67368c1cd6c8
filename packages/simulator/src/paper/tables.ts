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

const TABLES: Readonly<Record<TableName, (settings: PaperSettings) => PaperTable>> = {
  demers,
  rounds,
  swim,
  memberlist,
  phi: phiAccrual,
  glomers,
  articles,
  baselines,
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
  return TABLES[name](settings);
}
