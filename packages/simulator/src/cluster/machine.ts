import type { ClusterMember, MemberConfig, Node } from "@hearsay/node";
import type { Database, Store } from "@hearsay/store";

/** One data directory and the address of its node, over several runs. */
export class Machine {
  readonly name: string;
  readonly address: string;
  database: Database;
  sequence = 0;
  directory = "directory";
  clockOffsetMs = 0;
  /** The operator's name for its node; two machines may have been given one. */
  nodeName: string;
  /** What its node is configured with otherwise than the rest. */
  overrides: Partial<MemberConfig> = {};
  node: Node | undefined;
  member: ClusterMember | undefined;
  store: Store | undefined;

  constructor(name: string, address: string, database: Database) {
    this.name = name;
    this.database = database;
    this.nodeName = name;
    this.address = address;
  }

  get running(): ClusterMember {
    if (this.member === undefined) throw new Error(`${this.name} is not running`);
    return this.member;
  }
}
