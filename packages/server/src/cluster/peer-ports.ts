import type { NodeId } from "@hearsay/core";
import type { Clock, Log } from "@hearsay/node";
import type { Settings } from "../config/knobs.ts";
import { ByteBudget } from "../http/body.ts";
import { Authentication } from "../peer/authentication.ts";
import { RefusalLog } from "../peer/refusal-log.ts";
import type { PeerPorts } from "../peer/routes.ts";
import { Traffic } from "../peer/traffic.ts";
import type { Cluster } from "./cluster.ts";
import { hardLimit } from "./open-member.ts";

/** Nonces remembered at most: far more than a window of messages from a thousand peers. */
const MAX_NONCES = 200_000;

export interface PeerParts {
  readonly settings: Settings;
  readonly cluster: Cluster;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the door for other nodes needs; the transport signs with the same authentication and counts the same traffic. */
export function peerPorts({ settings, cluster, self, clock, log }: PeerParts): PeerPorts {
  const maxBytes = hardLimit(settings);
  return {
    cluster: settings.cluster,
    authentication: new Authentication({
      secrets: [settings["security.clusterSecret"], settings["security.acceptedSecret"]].filter(
        (secret) => secret !== "",
      ),
      windowMs: settings["security.messageWindowMs"],
      maxNonces: MAX_NONCES,
      nowMs: () => clock.nowMs(),
    }),
    limit: { maxBytes, knob: "gossip.maxMessageBytes" },
    // Of its own, so that clients who are slow to send do not silence this node among the others.
    budget: new ByteBudget(Math.max(settings["limits.maxInFlightBytes"], maxBytes)),
    refusals: refusalLog("peer_message_refused", settings, log),
    failures: refusalLog("peer_request_failed", settings, log),
    traffic: new Traffic(),
    self: () => self,
    serve: (from, message) => cluster.member.serve(from, message),
  };
}

function refusalLog(event: string, settings: Settings, log: Log): RefusalLog {
  return new RefusalLog(log, event, settings["peers.refusalLogIntervalMs"], () => performance.now());
}
