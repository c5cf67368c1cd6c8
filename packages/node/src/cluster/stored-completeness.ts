/** What the node knows of its completeness as it survives a restart, and what becomes of it at the next start. */
import {
  type CompletenessState,
  encodeUtf8,
  type HlcTime,
  INITIAL_COMPLETENESS,
  isHlcTime,
  isNodeId,
  type NodeId,
} from "@hearsay/core";
import { IdentityError } from "../identity.ts";
import type { MetaStore } from "../ports.ts";
import { parseJson } from "../stored-json.ts";

const META_NAME = "completeness";

/**
 * What becomes of what an earlier run knew. `same`: it holds. `fresh`: the incarnation is new, so nothing it confirmed
 * as another one does. `newcomer`: it was about another cluster, in which this node was alone.
 */
export type Incarnation = "same" | "fresh" | "newcomer";

/**
 * Whom a starting node finds. `nobody`: it is on its own, so it founds a cluster or goes on as the only one. `members`: it
 * was a member among others in an earlier run. `strangers`: it has yet to be recorded by those it was told of.
 */
export type Company = "nobody" | "members" | "strangers";

/** How a run begins, as far as completeness is concerned. */
export interface Beginning {
  readonly incarnation: Incarnation;
  readonly company: Company;
  /** The table of an earlier run names others. */
  readonly knowsOthers: boolean;
}

/** Who let in one that is no member yet. */
export interface Entry {
  /** Where. Whoever is there may have recorded it, and counts on it. */
  readonly letInAt: readonly string[];
  /** And by which member; null where newcomers did, to begin a cluster, or one of an older build, which does not say. */
  readonly letInBy: NodeId | null;
  /** The newcomers that it found first to begin a cluster with: each may have recorded it, and begun one with those that it counts. */
  readonly founders: readonly NodeId[];
}

export const NO_ENTRY: Entry = { letInAt: [], letInBy: null, founders: [] };

export interface BeginningState extends Entry {
  readonly state: CompletenessState;
  /** This node, or what ran on its directory before, has been a member. */
  readonly hasBelonged: boolean;
  /**
   * It came into doubt as the only member that its table names, and has been complete by its own word since. What was lost may be that
   * others had entered: until a newcomer does, or others have recorded it.
   */
  readonly isAloneInDoubt: boolean;
}

/** What is stored; the rest follows from how the run begins. */
export interface BegunState extends BeginningState {
  /**
   * It was a cluster of one, and is to join others: what it has is its own, and none of them knows it. What it knew of that
   * cluster stays on the disk until they let it in: it may be told to go on alone.
   */
  readonly isOutside: boolean;
}

/** @throws IdentityError `membership_unreadable` */
export function readCompleteness(
  self: NodeId,
  { incarnation, company: found, knowsOthers }: Beginning,
  meta: MetaStore,
): BegunState {
  const stored = readState(meta);
  // By itself it would be another cluster under an id, or after one, that those who let it in may count.
  const company = found === "nobody" && mayBeRecorded(stored) ? "strangers" : found;
  const isAlone = company === "nobody";
  if (stored === undefined) {
    const isFounder = isAlone && incarnation === "same";
    const state = { ...INITIAL_COMPLETENESS, recorded: isAlone, complete: isFounder };
    const isAloneInDoubt = isAlone && !isFounder;
    return { state, hasBelonged: isAlone, isAloneInDoubt, ...NO_ENTRY, isOutside: false };
  }
  const isNewcomer = incarnation === "newcomer";
  const isOfThem = !isNewcomer && (company === "members" || knowsOthers);
  const isOutside = stored.hasBelonged && !isAlone && !isOfThem;
  // The end of that run kept it from noting that others had found it.
  const isFound = stored.isAloneInDoubt && stored.state.recorded !== false && !isAlone;
  const isNew = isOutside || isNewcomer || isFound;
  return {
    // Nor is its floor any of theirs: they would purge to it, and what lies below need not be known to all of them.
    state: isNew ? INITIAL_COMPLETENESS : continued(self, incarnation, company, stored),
    hasBelonged: isAlone || (stored.hasBelonged && isOfThem),
    isAloneInDoubt: stored.isAloneInDoubt || (isAlone && isFresh(self, incarnation, stored)),
    letInAt: stored.letInAt ?? [],
    letInBy: stored.letInBy,
    founders: stored.founders,
    isOutside,
  };
}

/** Whether a node that has not become a member may be counted by others all the same. An older build did not note where. */
function mayBeRecorded(stored: Stored | undefined): boolean {
  return stored?.hasBelonged === false && stored.letInAt?.length !== 0;
}

/** A start that ended between the new identity and this leaves what the id before it knew. */
function isFresh(self: NodeId, incarnation: Incarnation, { about }: Stored): boolean {
  return incarnation === "fresh" || (about !== undefined && about !== self);
}

function continued(
  self: NodeId,
  incarnation: Incarnation,
  company: Company,
  stored: Stored,
): CompletenessState {
  const { state, hasBelonged, isAloneInDoubt } = stored;
  if (isFresh(self, incarnation, stored)) {
    const recorded = company === "nobody";
    return { ...state, vector: new Map(), recorded, complete: false, completeFloor: 0 };
  }
  // What it was on its own it is not among others.
  if (company === "strangers") return { ...state, recorded: false, complete: false };
  // It was to join, and nobody has let it in: it founds a cluster, as if it had not been told to.
  if (company === "nobody" && !hasBelonged) return { ...state, recorded: true, complete: true };
  // Others had found it, and its disk has lost who.
  if (company === "nobody" && isAloneInDoubt) return { ...state, recorded: true };
  return { ...state, recorded: state.recorded ?? true };
}

/** A state as an earlier run has left it; older builds did not say whether the node was recorded, or ever had been. */
interface Stored {
  readonly about: NodeId | undefined;
  readonly hasBelonged: boolean;
  readonly letInAt: readonly string[] | undefined;
  readonly letInBy: NodeId | null;
  readonly founders: readonly NodeId[];
  readonly isAloneInDoubt: boolean;
  readonly state: Omit<CompletenessState, "recorded"> & { readonly recorded: boolean | undefined };
}

/** Settles when it is durable. */
export async function storeCompleteness(
  meta: MetaStore,
  about: NodeId,
  { state, ...rest }: BeginningState,
): Promise<void> {
  const text = JSON.stringify({ about, ...rest, ...state, vector: [...state.vector] });
  await meta.put(META_NAME, encodeUtf8(text));
}

/**
 * Nothing of it is made up for by a default: a lost floor would let purged versions come back.
 * @throws IdentityError `membership_unreadable`
 */
function readState(meta: MetaStore): Stored | undefined {
  const stored = meta.get(META_NAME);
  if (stored === undefined) return undefined;
  const parsed = parseJson(stored);
  const found: Partial<Record<string, unknown>> =
    typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  const state = toState(found);
  if (state === undefined) throw new IdentityError({ code: "membership_unreadable" });
  const { about, hasBelonged, isAloneInDoubt, letInAt, letInBy, founders } = found;
  return {
    about: toNodeId(about),
    hasBelonged: hasBelonged !== false,
    isAloneInDoubt: isAloneInDoubt === true,
    letInAt: Array.isArray(letInAt) ? letInAt.filter((at) => typeof at === "string") : undefined,
    letInBy: toNodeId(letInBy) ?? null,
    founders: Array.isArray(founders) ? founders.filter((id) => toNodeId(id) !== undefined) : [],
    state,
  };
}

/**
 * The next start is that of a node that has been a member of a cluster of its own and was let in nowhere, so what it holds is looked at
 * before it is brought into another one; and of one that knows nothing where what it knew cannot be read: in the cluster that it
 * begins nobody knows better. Settles when that is durable.
 */
export async function forgetWhereLetIn(meta: MetaStore): Promise<void> {
  const stored = meta.get(META_NAME);
  if (stored === undefined) return;
  const parsed = parseJson(stored);
  const isReadable = typeof parsed === "object" && parsed !== null && toState(parsed) !== undefined;
  const kept = isReadable ? parsed : { ...INITIAL_COMPLETENESS, vector: [] };
  const alone = { ...kept, hasBelonged: true, ...NO_ENTRY };
  await meta.put(META_NAME, encodeUtf8(JSON.stringify(alone)));
}

function toState(parsed: Partial<Record<string, unknown>>): Stored["state"] | undefined {
  const { vector, completeFloor, floor, watermark, settledAt, complete, recorded } = parsed;
  const entries: unknown[] = Array.isArray(vector) ? vector : [null];
  if (!isHlcTime(completeFloor) || !isHlcTime(floor) || !isHlcTime(watermark) || !isHlcTime(settledAt)) {
    return undefined;
  }
  if (!entries.every(isVectorEntry)) return undefined;
  return {
    vector: new Map(entries),
    // What an older build took for completeness was not: it is found again by an exchange.
    complete: complete === true,
    recorded: typeof recorded === "boolean" ? recorded : undefined,
    completeFloor,
    floor,
    watermark,
    settledAt,
  };
}

function toNodeId(value: unknown): NodeId | undefined {
  return typeof value === "string" && isNodeId(value) ? value : undefined;
}

function isVectorEntry(entry: unknown): entry is [NodeId, HlcTime] {
  return Array.isArray(entry) && typeof entry[0] === "string" && isNodeId(entry[0]) && isHlcTime(entry[1]);
}
