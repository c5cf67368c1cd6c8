/** Members, statements and messages that the tests of several files are about. */
import type { Member, Update } from "./member.ts";
import type { SwimEffect, SwimReply, SwimRequest } from "./swim-messages.ts";
import { memberOf, VirtualCluster } from "./virtual-cluster.contract.ts";

export const A = memberOf("a");
export const B = memberOf("b");
export const C = memberOf("c");

export const about = (member: Member, accuser?: string): Update =>
  accuser === undefined ? { kind: "member", member } : { kind: "member", member, accuser };
export const ping = (from: Member, to: string, updates: readonly Update[] = []): SwimRequest => ({
  kind: "ping",
  from,
  to,
  updates,
});
export const replyIn = (effects: readonly SwimEffect[]): SwimReply | undefined =>
  effects.flatMap((effect) => (effect.kind === "reply" ? [effect.message] : []))[0];

/** Members that know one another, without a push-pull in the way of what a test looks at. */
export function clusterOf(
  count: number,
  seed = 1,
): { readonly cluster: VirtualCluster; readonly members: Member[] } {
  const cluster = new VirtualCluster({ seed });
  return { cluster, members: cluster.startKnown(count) };
}

/** Asks a member of a running cluster directly. */
export function ask(cluster: VirtualCluster, of: Member, message: SwimRequest): SwimReply | undefined {
  return replyIn(cluster.swim(of.id).request(message, 0, cluster.nowMs));
}
