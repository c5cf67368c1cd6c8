/** Bytes of rumor messages, as the product's own codec encodes them. */
import type {
  CarriedRumor,
  HeldRecord,
  KeyRecord,
  LoadedRumor,
  LoadedRumorReply,
  LoadedRumorRequest,
  Peer,
  RumorReply,
  RumorRequest,
} from "@hearsay/core";
import { encodeReply, encodeRequest } from "@hearsay/wire";
import type { MessageSizes } from "./call-network.ts";

/** A rumor message with the records its sender put into it, by place; undefined where a rumor goes without. */
export interface Loaded<Message> {
  readonly message: Message;
  readonly records: readonly (HeldRecord | undefined)[];
}

const CLUSTER = "hearsay";
const STANDING = { floor: 0, complete: true };

function recordOf(held: HeldRecord): KeyRecord {
  const [version] = held.versions;
  if (version === undefined) throw new Error("a record without a version");
  const bytes = new Uint8Array(held.sizeBytes);
  const sibling = { kind: "value", version, bytes, contentType: "text/plain", expiresAtMs: null } as const;
  return { context: new Map([[version.node, version.time]]), siblings: [sibling] };
}

function loadedRumors({
  message,
  records,
}: Loaded<{ readonly rumors: readonly CarriedRumor[] }>): LoadedRumor[] {
  return message.rumors.map((rumor, i) => {
    const held = records[i];
    return { ...rumor, record: held === undefined ? null : recordOf(held) };
  });
}

function requestBytes(from: Peer, loaded: Loaded<RumorRequest>): number {
  const rumors = loadedRumors(loaded);
  const message: LoadedRumorRequest = {
    ...loaded.message,
    kind: "rumors",
    standing: STANDING,
    rumors,
    updates: [],
  };
  return encodeRequest({ cluster: CLUSTER, from: from.id, message }).length;
}

function replyBytes(from: Peer, loaded: Loaded<RumorReply>): number {
  const rumors = loadedRumors(loaded);
  const message: LoadedRumorReply = {
    ...loaded.message,
    kind: "rumors-reply",
    standing: STANDING,
    rumors,
    updates: [],
  };
  return encodeReply({ from: from.id, message }).length;
}

/**
 * Messages of at most one rumor of one and the same key look alike, and are encoded once for each look: numbers in them may
 * take a byte or two more or less. All others are encoded one by one.
 */
export class RumorSizes implements MessageSizes<Loaded<RumorRequest>, Loaded<RumorReply>> {
  readonly #known = new Map<string, number>();

  request(from: Peer, loaded: Loaded<RumorRequest>): number {
    const { rumors, wants, answers, pull } = loaded.message;
    if (rumors.length > 1 || wants.length > 1 || (answers?.list.length ?? 0) > 1)
      return requestBytes(from, loaded);
    const look = `request ${rumors.length} ${wants.length} ${answers?.list.length} ${pull}`;
    return this.#once(look, loaded, () => requestBytes(from, loaded));
  }

  reply(from: Peer, loaded: Loaded<RumorReply>): number {
    const { rumors, answers } = loaded.message;
    if (rumors.length > 1 || answers.length > 1) return replyBytes(from, loaded);
    return this.#once(`reply ${rumors.length} ${answers.length}`, loaded, () => replyBytes(from, loaded));
  }

  #once(look: string, { records }: Loaded<unknown>, encode: () => number): number {
    const key = `${look} ${records[0]?.sizeBytes}`;
    const known = this.#known.get(key) ?? encode();
    this.#known.set(key, known);
    return known;
  }
}
