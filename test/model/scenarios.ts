/** Scripted beginnings, each aimed at a rule that random steps seldom need; random steps follow. */
import type { Scenario } from "./scenario-steps.ts";
import { GHOST_SCENARIOS } from "./scenarios-ghosts.ts";
import { LOSS_SCENARIOS } from "./scenarios-losses.ts";
import { TABLE_SCENARIOS } from "./scenarios-tables.ts";

export const SCENARIOS: readonly Scenario[] = [...GHOST_SCENARIOS, ...TABLE_SCENARIOS, ...LOSS_SCENARIOS];
