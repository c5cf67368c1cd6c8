/**
 * What an operator puts right who looks at the members: ids whose directories are gone, under which nothing will ever come back, and
 * directories of a cluster that has been begun anew without them.
 */
import type { ClusterMember } from "@hearsay/node";
import type { Operator } from "./operator.ts";
import type { Trace } from "./trace.ts";

/** @param expect is told of what a disk or a peer has refused */
export async function forgetStrays(
  operator: Operator,
  trace: Trace,
  expect: (error: unknown) => void,
): Promise<void> {
  await emptyStrangers(operator);
  const current = new Set(operator.present.map((name) => operator.idOf(name)));
  const by = operator.up.find((name) => mayForget(operator, name));
  const member = by === undefined ? undefined : operator.machine(by).member;
  if (member === undefined) return;
  for (const { id, state } of member.membership.members()) {
    if (current.has(id) || state === "alive") continue;
    trace.note(`${by} forgets ${id}`);
    try {
      await member.forget(id);
    } catch (error) {
      expect(error);
    }
  }
}

/**
 * An old copy may be one of a directory that nobody has heard of any more (docs/cluster.md, *Two clusters of one name*). Where nobody
 * else is a member, it is the cluster, and the others wait for it (*Beginning a cluster*).
 */
export async function emptyStrangers(operator: Operator): Promise<void> {
  await emptyOlder(operator);
  for (const name of operator.up) {
    const { member } = operator.machine(name);
    const kind = member?.joiningState.kind;
    // The others have met it as well. It is the one that none of them knows.
    const isRefused =
      hasMetOthers(member) &&
      !operator.up.some((other) => other !== name && knownTo(operator, other).has(member.id));
    if (!isRefused && kind !== "not_let_in") continue;
    const others = operator.present.filter((other) => other !== name);
    // It is seen only where all run.
    if (!isRefused && others.some((other) => !operator.is(other, "up"))) continue;
    const isOnly = others.every((other) => operator.machine(other).member?.keeper.hasBelonged === false);
    await operator.kill(name);
    if (isOnly) operator.introductions.begins(name);
    else operator.wipe(name);
    void operator.start(name);
  }
}

/**
 * Of a cluster in whose place another was begun: an old copy of a directory, and whoever has been let in by that one. All at one time,
 * or one of them lets in the next.
 */
async function emptyOlder(operator: Operator): Promise<void> {
  const { beginner } = operator.introductions;
  if (beginner === undefined) return;
  const { up } = operator;
  const knows = (name: string): boolean =>
    operator.machine(name).member?.membership.stateOf(beginner) !== undefined;
  if (!up.some(knows)) return;
  const older = up.filter((name) => !knows(name) && hasMetOthers(operator.machine(name).member));
  for (const name of older) {
    await operator.kill(name);
    operator.wipe(name);
  }
  for (const name of older) void operator.start(name);
}

/** A newcomer that is refused, because it and who answers are of two clusters. */
function hasMetOthers(member: ClusterMember | undefined): member is ClusterMember {
  return member?.joiningState.kind === "joining" && member.membership.otherClusterAt !== undefined;
}

function knownTo(operator: Operator, name: string): ReadonlySet<string> {
  return new Set(
    operator
      .machine(name)
      .member?.membership.members()
      .map(({ id }) => id),
  );
}

/**
 * Who is still joining may not forget anybody. Who has not heard of a node is not asked to: that one may hold what nobody
 * else has of those who go (docs/cluster.md, Leaving and forgetting).
 */
function mayForget(operator: Operator, name: string): boolean {
  const { member } = operator.machine(name);
  if (member === undefined || member.notWritable() !== undefined) return false;
  const known = knownTo(operator, name);
  return operator.present.every((other) => operator.isForgotten(other) || known.has(operator.idOf(other)));
}
