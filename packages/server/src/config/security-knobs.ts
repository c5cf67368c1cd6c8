/** The knobs that say who may reach a node. */
import { flag, type Knob, list, secret } from "./knob.ts";

export interface SecuritySettings {
  readonly insecure: boolean;
  readonly "security.clusterSecret": string;
  readonly "security.hosts": readonly string[];
}

export const SECURITY_KNOBS: { readonly [Name in keyof SecuritySettings]: Knob<SecuritySettings[Name]> } = {
  insecure: flag({
    sets: "whether a node without tokens may listen on more than the loopback interface",
    reason: "anyone who reaches the port may read, change and delete everything",
    fallback: false,
  }),
  "security.clusterSecret": secret({
    sets: "what all nodes of the cluster share to sign their messages",
    reason: "empty signs nothing, which suffices on the loopback interface",
    fallback: "",
    minLength: 16,
  }),
  "security.hosts": list({
    sets: "names by which pages in a browser may reach a node on its own machine, beside localhost, addresses, and the names of the machine, listen and advertise; * for any",
    reason: "no page can read or write by having a name of its own lead here",
    fallback: [],
    form: "names without ports, joined by commas, or *",
    item: (given) => (/^(?:\*|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}))$/.test(given) ? given : undefined),
  }),
};
