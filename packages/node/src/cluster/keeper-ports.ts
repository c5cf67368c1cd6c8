/** What the keeping of a node's completeness needs of the rest of the node. */
import type { CountedMembers, HlcTime } from "@hearsay/core";
import type { WriteFault } from "../merging.ts";
import type { Log, MetaStore } from "../ports.ts";
import type { RepeatLog } from "../repeat-log.ts";
import type { Graveyard } from "./ports.ts";

export interface KeeperPorts {
  readonly meta: MetaStore;
  readonly graveyard: Graveyard;
  readonly log: Log;
  readonly troubles: RepeatLog;
  /** The member table as it is now. */
  counted(): CountedMembers;
  /** Settles when everything accepted so far is committed, the member table with it. */
  flush(): Promise<void>;
  /** A fresh time of the node's clock, durable before it is returned. */
  tick(): Promise<HlcTime>;
  /** A time below every own write that is not committed; durable. */
  ownTime(): Promise<HlcTime>;
  /** The node's clock takes the time into account, or refuses it as too far ahead. */
  observe(time: HlcTime): WriteFault | undefined;
}
