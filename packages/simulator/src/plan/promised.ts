/**
 * Which lists of seeds lead to one cluster. A founder is recorded by a majority of those it was told of, and counts none of them that has
 * found more than it (docs/protocol.md, *Founders*). One cluster is promised where any two sets that begin one meet.
 */

/** @param told of each node, by its number, the numbers of those that it is told of, perhaps of itself. None is told of nobody */
export function isOnePromised(told: readonly (readonly number[])[]): boolean {
  const found = told.map((list, node) => [...new Set(list)].filter((other) => other !== node));
  const begun = found.map((list, node) => beginnings(node, list, found));
  const founders = begun.flatMap((sets, node) => (sets.length > 0 ? [node] : []));
  const doMeet = begun
    .flat()
    .every((one, i, sets) => sets.slice(i + 1).every((other) => one.some((node) => other.includes(node))));
  return doMeet && found.every((_, node) => reached(node, found).some((other) => founders.includes(other)));
}

/** The least sets of nodes by which a node may begin a cluster, itself included. */
function beginnings(
  node: number,
  list: readonly number[],
  found: readonly (readonly number[])[],
): number[][] {
  // One that was told of itself alone is bound to the first that finds it.
  const counted = list.filter((other) => Math.max(1, found[other]?.length ?? 0) <= list.length);
  const needed = Math.floor(list.length / 2) + 1;
  return list.length === 0 ? [] : subsets(counted, needed).map((set) => [node, ...set]);
}

function subsets(of: readonly number[], size: number): number[][] {
  if (size === 0) return [[]];
  return of.flatMap((first, i) => subsets(of.slice(i + 1), size - 1).map((rest) => [first, ...rest]));
}

/** Whom a node comes to by its list and theirs. */
function reached(node: number, found: readonly (readonly number[])[]): number[] {
  const all = new Set([node]);
  for (const one of all) for (const other of found[one] ?? []) all.add(other);
  return [...all];
}
