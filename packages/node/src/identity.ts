import {
  decodeUtf8,
  encodeUtf8,
  type HlcTime,
  isHlcTime,
  isNodeId,
  mintNodeId,
  type NodeId,
  nodeName,
} from "@hearsay/core";
import type { MetaStore, Random } from "./ports.ts";

const META_NAME = "identity";

/** Who a data directory says it is. */
export interface Identity {
  readonly cluster: string;
  readonly id: NodeId;
  /** Exceeds every version that was in the directory when the id was minted. */
  readonly since: HlcTime;
  /** Earlier incarnations of this directory, all retired. */
  readonly retired: readonly NodeId[];
}

/** As it is stored. */
interface StoredIdentity extends Omit<Identity, "since"> {
  /** Undefined where an earlier build stored it. */
  readonly since: HlcTime | undefined;
  /** See {@link leaveIdsBehind}. */
  readonly isLeftBehind?: boolean;
}

export type IdentityFault =
  | { readonly code: "wrong_cluster"; readonly expected: string; readonly found: string }
  | { readonly code: "wrong_name"; readonly expected: string; readonly found: string }
  | { readonly code: "identity_unreadable" }
  /** The bound on the times this node has issued. */
  | { readonly code: "clock_unreadable" }
  /** What the directory knows of the other members, or of what they hold, cannot be read. */
  | { readonly code: "membership_unreadable" };

export class IdentityError extends Error {
  readonly fault: IdentityFault;

  constructor(fault: IdentityFault) {
    super(describe(fault));
    this.name = "IdentityError";
    this.fault = fault;
  }
}

function describe(fault: IdentityFault): string {
  switch (fault.code) {
    case "identity_unreadable":
      return "the data directory's identity cannot be read";
    case "clock_unreadable":
      return "how far the data directory's clock has run cannot be read";
    case "membership_unreadable":
      return "what the data directory knows of its cluster cannot be read";
    case "wrong_cluster":
      return `the data directory belongs to cluster ${fault.found}, not ${fault.expected}`;
    case "wrong_name":
      return `the data directory belongs to node ${fault.found}, not ${fault.expected}`;
  }
}

export interface WantedIdentity {
  /** Undefined: the name the directory already has, or else `fallbackName`. */
  readonly name: string | undefined;
  readonly fallbackName: string;
  readonly cluster: string;
  readonly doubt: boolean;
  /** Exceeds every version that is in the directory. */
  readonly now: HlcTime;
}

/** What a directory stands under that belongs to another cluster or node than is wanted; undefined where it may be used. */
export function refusalOf(
  meta: Pick<MetaStore, "get">,
  wanted: Pick<WantedIdentity, "cluster" | "name">,
): IdentityError | undefined {
  const stored = meta.get(META_NAME);
  const found = stored === undefined ? undefined : parseIdentity(stored);
  if (found === undefined) return undefined;
  if (found.cluster !== wanted.cluster) {
    return new IdentityError({ code: "wrong_cluster", expected: wanted.cluster, found: found.cluster });
  }
  const name = nodeName(found.id);
  if (wanted.name === undefined || wanted.name === name) return undefined;
  return new IdentityError({ code: "wrong_name", expected: wanted.name, found: name });
}

/**
 * The directory's identity: read back, minted for a new directory, or minted anew when the store may have lost
 * what this node acknowledged (doubt), so that no version is ever issued twice.
 * @param settleDoubt called in the turn that stores the new identity: either both are stored or neither
 * @throws IdentityError when the directory belongs to another node or cluster
 */
export async function establishIdentity(
  meta: MetaStore,
  random: Random,
  wanted: WantedIdentity,
  settleDoubt: () => Promise<void> | undefined = () => undefined,
): Promise<Identity> {
  const stored = meta.get(META_NAME);
  const found = stored === undefined ? undefined : parseIdentity(stored);
  if (stored !== undefined && found === undefined && !wanted.doubt) {
    throw new IdentityError({ code: "identity_unreadable" });
  }
  const refusal = refusalOf(meta, wanted);
  if (refusal !== undefined) throw refusal;
  if (found !== undefined && !wanted.doubt) {
    const { cluster, id, retired, since = wanted.now } = found;
    // An earlier build did not note it down: from now on it is this moment.
    if (found.since === undefined) await keep(meta, { ...found, since });
    return { cluster, id, since, retired };
  }
  const name = wanted.name ?? (found === undefined ? wanted.fallbackName : nodeName(found.id));
  const identity: Identity = {
    cluster: wanted.cluster,
    id: mintNodeId(name, () => random.next()),
    since: wanted.now,
    retired: found === undefined || found.isLeftBehind === true ? [] : [...found.retired, found.id],
  };
  await Promise.all([keep(meta, identity), wanted.doubt ? settleDoubt() : undefined]);
  return identity;
}

/**
 * The next incarnation that is minted here takes none of the ids before it over: in the cluster that it begins nobody has ever
 * heard of them. Settles when that is durable.
 */
export async function leaveIdsBehind(meta: MetaStore): Promise<void> {
  const stored = meta.get(META_NAME);
  const found = stored === undefined ? undefined : parseIdentity(stored);
  // One that cannot be read is taken over by nobody.
  if (found !== undefined) await keep(meta, { ...found, isLeftBehind: true });
}

async function keep(meta: MetaStore, identity: StoredIdentity): Promise<void> {
  await meta.put(META_NAME, encodeUtf8(JSON.stringify(identity)));
}

function parseIdentity(bytes: Uint8Array): StoredIdentity | undefined {
  try {
    const parsed: unknown = JSON.parse(decodeUtf8(bytes) ?? "");
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const { cluster, id, retired, since, isLeftBehind } = parsed as Partial<
      Record<keyof StoredIdentity, unknown>
    >;
    if (typeof cluster !== "string" || typeof id !== "string" || !isNodeId(id)) return undefined;
    if (!Array.isArray(retired) || !retired.every((old): old is NodeId => isNodeId(String(old))))
      return undefined;
    if (since !== undefined && !isHlcTime(since)) return undefined;
    return { cluster, id, retired, since, ...(isLeftBehind === true && { isLeftBehind }) };
  } catch {
    return undefined;
  }
}
