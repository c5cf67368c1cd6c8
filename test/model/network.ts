/** Sending: a message is put on its way with a copy of the sender's member table. */
import type { NodeId } from "@hearsay/core";
import type { Body } from "./messages.ts";
import type { Host, World } from "./state.ts";

export function send(world: World, host: Host, to: NodeId, body: Body): void {
  world.network.push({ from: host.disk.id, to, table: new Map(host.disk.table), body });
}
