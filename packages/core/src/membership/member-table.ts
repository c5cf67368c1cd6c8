/**
 * Who belongs to the cluster, as far as this node knows: the greatest statement per id. Merging is a pointwise
 * maximum, so below the bounds the order, grouping and repetition of updates make no difference.
 *
 * A retirement is terminal and never dropped to make room. A table at a bound takes nothing new: table hashes
 * then differ between nodes and the watermark stands still, which is the safe side.
 */
import { type NodeId, nodeName } from "../identity.ts";
import { comparePrecedence, isLiveMember, type Member, type MemberState, type Update } from "./member.ts";

export interface MemberTableOptions {
  readonly membersMax: number;
  readonly retiredMax: number;
  /** Digest of the canonical list of ids and retirements, as text. */
  readonly hash: (canonical: string) => string;
}

/** What an update did. `previous` is undefined for an id that was not in the table. */
export type Applied =
  | { readonly kind: "unchanged" }
  | { readonly kind: "changed"; readonly previous: Member | undefined }
  | { readonly kind: "retired"; readonly previous: Member | undefined }
  | { readonly kind: "full" };

const UNCHANGED: Applied = { kind: "unchanged" };
const FULL: Applied = { kind: "full" };

export class MemberTable {
  readonly #options: MemberTableOptions;
  readonly #members: Map<NodeId, Member> = new Map();
  /** In the order of adoption. */
  readonly #retired: Set<NodeId> = new Set();
  #live: readonly Member[] | undefined;
  #counted: { readonly ids: readonly NodeId[]; readonly tableHash: string } | undefined;
  #sortedRetired: readonly NodeId[] | undefined;

  constructor(options: MemberTableOptions) {
    this.#options = options;
  }

  get(id: NodeId): Member | undefined {
    return this.#members.get(id);
  }

  stateOf(id: NodeId): MemberState | undefined {
    return this.#retired.has(id) ? "retired" : this.#members.get(id)?.state;
  }

  isRetired(id: NodeId): boolean {
    return this.#retired.has(id);
  }

  /** All counted members, whatever their state. */
  members(): Member[] {
    return [...this.#members.values()];
  }

  /** No further id finds room. */
  get full(): boolean {
    return this.#members.size >= this.#options.membersMax;
  }

  get retiredCount(): number {
    return this.#retired.size;
  }

  /** Members that are alive or suspect. The array is replaced on change and never modified. */
  live(): readonly Member[] {
    this.#live ??= this.members().filter(isLiveMember);
    return this.#live;
  }

  /** The ids that are not retired, and the hash by which two nodes see that they count the same ones. */
  counted(): { readonly ids: readonly NodeId[]; readonly tableHash: string } {
    if (this.#counted === undefined) {
      const ids = [...this.#members.keys()].sort();
      // No id contains a sign or a line break, so the list has one reading.
      const lines = [...ids.map((id) => `+${id}`), ...this.#retiredInOrder().map((id) => `-${id}`)];
      this.#counted = { ids, tableHash: this.#options.hash(lines.join("\n")) };
    }
    return this.#counted;
  }

  /** The last retirements adopted, at most `count`. */
  newestRetired(count: number): NodeId[] {
    return [...this.#retired].slice(Math.max(0, this.#retired.size - count));
  }

  /** Retired ids in byte order after `after`, at most `count`. */
  retiredAfter(after: NodeId, count: number): NodeId[] {
    const ids = this.#retiredInOrder();
    let low = 0;
    let high = ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ids[middle] ?? "") > after) high = middle;
      else low = middle + 1;
    }
    return ids.slice(low, low + count);
  }

  /** A live member of the same name under another id and at another address. */
  liveNamesake(of: Member): Member | undefined {
    const name = nodeName(of.id);
    return this.live().find(
      (other) => other.id !== of.id && other.address !== of.address && nodeName(other.id) === name,
    );
  }

  apply(update: Update): Applied {
    return update.kind === "retired" ? this.#retire(update.id) : this.#put(update.member);
  }

  #put(member: Member): Applied {
    if (this.#retired.has(member.id)) return UNCHANGED;
    const previous = this.#members.get(member.id);
    if (previous === undefined) {
      if (this.#members.size >= this.#options.membersMax) return FULL;
      this.#counted = undefined;
    } else if (comparePrecedence(member, previous) <= 0) return UNCHANGED;
    this.#members.set(member.id, member);
    this.#live = undefined;
    return { kind: "changed", previous };
  }

  #retire(id: NodeId): Applied {
    if (this.#retired.has(id)) return UNCHANGED;
    if (this.#retired.size >= this.#options.retiredMax) return FULL;
    const previous = this.#members.get(id);
    this.#members.delete(id);
    this.#retired.add(id);
    this.#live = undefined;
    this.#counted = undefined;
    this.#sortedRetired = undefined;
    return { kind: "retired", previous };
  }

  #retiredInOrder(): readonly NodeId[] {
    this.#sortedRetired ??= [...this.#retired].sort();
    return this.#sortedRetired;
  }
}
