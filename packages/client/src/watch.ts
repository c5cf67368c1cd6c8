/**
 * Watching a prefix for as long as the caller likes, over as many connections as that takes.
 *
 * The newest cursor is kept. A stream that ends or falls silent is taken up again behind it, on the next endpoint, after
 * a pause that grows with each failure (full jitter) and starts anew once something has arrived. So every change is seen
 * at least once, whichever nodes were asked.
 */
import { MEDIA_TYPES, WATCH_HEARTBEAT_MS, WatchDelete, WatchPut, WatchReset } from "@hearsay/api";
import { understood, understoodLines } from "./answers.ts";
import { fromBase64 } from "./batch.ts";
import { type Fault, HearsayError } from "./fault.ts";
import { VALUE_LINE_MAX_LENGTH } from "./parts.ts";
import { withQuery } from "./path.ts";
import { guard, parseAs } from "./schema.ts";
import { type Message, readMessages } from "./sse.ts";
import { type Answer, type Call, isPassing, type Transport } from "./transport.ts";

const isPut = guard<WatchPut>(WatchPut);
const isDelete = guard<WatchDelete>(WatchDelete);
const isReset = guard<WatchReset>(WatchReset);

interface Cursored {
  /**
   * Resumes behind this event, on any node, also after a restart of the program. Events of a backlog have the cursor it
   * began with: it is taken up from its start. Empty: from nothing.
   */
  readonly cursor: string;
}

/** The key's new winner. Versions of a key sort as texts: on another node an older one may be seen again first. */
export interface WatchedPut extends Cursored {
  readonly kind: "put";
  readonly key: string;
  readonly version: string;
  /** Empty with `keysOnly`. */
  readonly value: Uint8Array;
  readonly contentType: string;
  readonly expiresAt: Date | undefined;
  /** Concurrent siblings beside this winner. */
  readonly conflicts: number;
}

/** The key has no value any more. */
export interface WatchedDelete extends Cursored {
  readonly kind: "delete";
  readonly key: string;
  /** The tombstone's; of an expired value its own. */
  readonly version: string;
  readonly expired: boolean;
  /** Concurrent siblings beside it, as the deletion had not seen them. */
  readonly conflicts: number;
}

/** The backlog is done: what has been seen is the state of the prefix on the node. Comes once for each connection. */
export interface WatchedSynced extends Cursored {
  readonly kind: "synced";
}

/** What was seen before is void: all that is there follows as puts, up to `synced`, and what does not come is gone. */
export interface WatchedReset extends Cursored {
  readonly kind: "reset";
  readonly reason: WatchReset["reason"];
}

export type WatchEvent = WatchedPut | WatchedDelete | WatchedSynced | WatchedReset;

export type WatchConnection =
  | { readonly state: "connected"; readonly endpoint: string }
  /** The next attempt follows after a pause. */
  | { readonly state: "lost"; readonly fault: Fault | undefined };

export interface WatchOptions {
  readonly prefix?: string | undefined;
  /** The cursor of an earlier event; `now`: without what is there already. Default: everything there is first. */
  readonly since?: string | undefined;
  /** Leave the values out. */
  readonly keysOnly?: boolean | undefined;
  /** Ends the watching, whose iterator then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Also the first connection is tried until the signal ends it. Without: when no endpoint answers to `retry.rounds`
   * rounds, the iterator rejects; once it was connected, it goes on for ever either way.
   */
  readonly keepTrying?: boolean | undefined;
  /** A stream that is silent for longer than this is given up. Default: three heartbeats, 45 s. */
  readonly silenceMs?: number | undefined;
  /** Told of each connection, and of its loss. */
  readonly onConnection?: ((connection: WatchConnection) => void) | undefined;
}

export async function* watchEvents(
  transport: Transport,
  options: WatchOptions = {},
): AsyncGenerator<WatchEvent> {
  const { signal, onConnection } = options;
  let cursor = options.since ?? "";
  let isPersistent = options.keepTrying === true;
  for (let failures = 1; ; failures++) {
    let fault: Fault | undefined;
    let endpoint: string | undefined;
    const call = watchCall(options, cursor);
    try {
      const answer = await transport.stream(call);
      ({ endpoint } = answer);
      isPersistent = true;
      onConnection?.({ state: "connected", endpoint });
      for await (const message of readMessages(understoodLines(answer, call, VALUE_LINE_MAX_LENGTH))) {
        failures = 0;
        cursor = message.id ?? cursor;
        const event = eventOf(message, answer, call, cursor);
        if (event !== undefined) yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof HearsayError) || !isPersistent) throw error;
      ({ fault } = error);
      // A proxy tells by a page of its own that there is no node behind it now.
      if (fault.code === "bad_answer" && endpoint === undefined) ({ endpoint } = fault);
      else if (!isPassing(fault)) throw error;
    }
    signal?.throwIfAborted();
    onConnection?.({ state: "lost", fault });
    if (endpoint !== undefined) transport.moveOn(endpoint);
    await transport.pause(failures + 1, fault, signal);
  }
}

function watchCall(options: WatchOptions, cursor: string): Call {
  return {
    method: "GET",
    path: withQuery("/watch", {
      prefix: options.prefix,
      since: cursor === "" ? undefined : cursor,
      keys: options.keysOnly === true ? "true" : undefined,
    }),
    headers: { Accept: MEDIA_TYPES.events },
    mediaType: MEDIA_TYPES.events,
    repeat: "read",
    partTimeoutMs: options.silenceMs ?? 3 * WATCH_HEARTBEAT_MS,
    signal: options.signal,
  };
}

/** Undefined for what tells nothing but a cursor. Unknown events of later versions are passed over. */
function eventOf(message: Message, answer: Answer, call: Call, cursor: string): WatchEvent | undefined {
  const read = <T>(has: (value: unknown) => value is T): T =>
    understood(answer, call, () => parseAs(message.data, has));
  switch (message.event) {
    case "put":
      return putOf(read(isPut), cursor);
    case "delete": {
      const { key, version, expired, conflicts = 0 } = read(isDelete);
      return { kind: "delete", key, version, expired, conflicts, cursor };
    }
    case "synced":
      return { kind: "synced", cursor };
    case "reset": {
      const { reason } = read(isReset);
      // The stream ends, and the cursor resumes it: nothing that was seen is void.
      return reason === "slow_reader" ? undefined : { kind: "reset", reason, cursor };
    }
    default:
      return undefined;
  }
}

function putOf(item: WatchPut, cursor: string): WatchedPut {
  return {
    kind: "put",
    key: item.key,
    version: item.version,
    value: fromBase64(item.value ?? ""),
    contentType: item.contentType,
    expiresAt: item.expiresAt === undefined ? undefined : new Date(item.expiresAt),
    conflicts: item.conflicts ?? 0,
    cursor,
  };
}
