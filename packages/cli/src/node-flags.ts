/** The flags that describe a node, for the commands that start, show or examine one. */
import type { Command } from "commander";
import { collect } from "./options.ts";

export interface NodeFlags {
  readonly name?: string;
  readonly data?: string;
  readonly listen?: string;
  readonly advertise?: string;
  readonly join?: readonly string[];
  readonly config?: string;
  readonly cluster?: string;
  readonly insecure?: boolean;
  readonly logLevel?: string;
  readonly set?: readonly string[];
}

export function withNodeFlags(command: Command): Command {
  return command
    .optionsGroup("Node:")
    .option("--name <name>", "the node's name")
    .option("--data <dir>", "the data directory")
    .option("--listen <host:port>", "the address to listen on; port 0 takes a free one")
    .option("--advertise <host:port>", "where other nodes reach this one, if not where it listens")
    .option(
      "--join <host:port>",
      "a member to join through, or dns:NAME:PORT; repeat it for others to try",
      collect,
    )
    .option("--cluster <name>", "the cluster's name")
    .option("--config <file>", "a YAML file of settings; also HEARSAY_CONFIG")
    .option("--insecure", "listen on more than the loopback interface although no tokens are checked")
    .option("--log-level <level>", "debug, info, warn, error or silent")
    .option(
      "--set <knob=value>",
      "any setting; repeat it for more (hearsay config show lists them)",
      collect,
    );
}
