/** `name~incarnation`: the operator's name and a random incarnation. Printable ASCII without quotes or commas. */
export type NodeId = string;

export const NODE_NAME_MAX_LENGTH = 63;
export const INCARNATION_LENGTH = 10;

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const NODE_ID = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?~[0-9a-z]{10}$/;
const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

export function isNodeName(text: string): boolean {
  return NAME.test(text);
}

export function isNodeId(text: string): text is NodeId {
  return NODE_ID.test(text);
}

/**
 * Mints an identity that no data directory has had before: 51 bits of randomness beside the name.
 * @param random uniform in [0, 1)
 */
export function mintNodeId(name: string, random: () => number): NodeId {
  const parts = [name, "~"];
  for (let i = 0; i < INCARNATION_LENGTH; i++) {
    parts.push(ALPHABET.charAt(Math.floor(random() * ALPHABET.length)));
  }
  // Joined, it is one piece in memory. Put together with `+` it would stay a tree of pieces, which is slow to compare.
  return parts.join("");
}

export function nodeName(id: NodeId): string {
  return id.slice(0, id.length - INCARNATION_LENGTH - 1);
}
