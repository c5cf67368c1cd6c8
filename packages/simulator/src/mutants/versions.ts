/** Bugs in versions, contexts and merging. */
import {
  EMPTY_CLIENT_CONTEXT,
  type KeyRecord,
  type PeerRequest,
  type Sibling,
  type Siblings,
} from "@hearsay/core";
import type { Node } from "@hearsay/node";
import type { Hooks } from "../cluster/composition.ts";
import type { Mutant } from "./mutant.ts";
import { overStore } from "./storage.ts";

/** Whether the node of a store is merging what a peer sent. */
const admissions: WeakMap<object, (now: boolean) => void> = new WeakMap();

export const VERSION_MUTANTS: readonly Mutant[] = [
  {
    name: "merge_drops_a_sibling",
    breaks: "losers of a concurrent write stay as conflicts",
    hooks: () => overRecords(({ context, siblings: [first] }) => ({ context, siblings: [first] })),
  },
  {
    name: "merge_keeps_what_is_covered",
    breaks: "a sibling that the other side's context covers goes",
    hooks: () =>
      overStore((store) => ({
        ...store,
        put: (key, record) => {
          const [first, ...rest] = record.siblings;
          const before = store.latest(key)?.siblings ?? [];
          const known = new Set(record.siblings.map(({ version }) => version.time));
          const kept = before.filter(
            ({ version }) => !known.has(version.time) && version.time < first.version.time,
          );
          const others = [...rest, ...kept].sort((a, b) => b.version.time - a.version.time);
          return store.put(key, { context: record.context, siblings: [first, ...others] });
        },
      })),
  },
  {
    name: "context_stripped",
    breaks: "a record's context covers every version ever merged into it",
    hooks: () => overRecords(stripped),
  },
  {
    name: "last_arrival_wins",
    breaks: "a record from a peer is merged into what is held",
    hooks: () => ({
      nodePorts: (ports) => {
        let isAdmitting = false;
        const { store } = ports;
        admissions.set(ports.store.meta, (now) => {
          isAdmitting = now;
        });
        return {
          ...ports,
          store: { ...store, latest: (key) => (isAdmitting ? undefined : store.latest(key)) },
        };
      },
      memberPorts: (ports) => {
        const { node } = ports;
        const admit = node.admit.bind(node);
        const tell = admissions.get(ports.store.meta);
        node.admit = (records, ...where) => {
          tell?.(true);
          const admitted = admit(records, ...where);
          tell?.(false);
          return admitted;
        };
        const takeMail = node.takeMail.bind(node);
        node.takeMail = (records, floor, reached) => {
          tell?.(true);
          const taken = takeMail(records, floor, reached);
          tell?.(false);
          return taken;
        };
        return ports;
      },
    }),
  },
  {
    name: "context_of_writer_ignored",
    breaks: "a write with a context covers just what its reader saw",
    hooks: () => overWrites((write) => (key, content, _seen) => write(key, content, undefined)),
  },
  {
    name: "write_covers_nothing",
    breaks: "a write without a context covers all that its node holds",
    hooks: () =>
      overWrites((write) => (key, content, seen) => write(key, content, seen ?? EMPTY_CLIENT_CONTEXT)),
  },
  {
    name: "nothing_read",
    breaks: "a node shows what it holds",
    hooks: () =>
      overNode((node) => {
        node.get = () => undefined;
      }),
  },
  {
    name: "older_record_read",
    breaks: "a node shows the record that it committed last",
    hooks: () => {
      const before = new Map<string, KeyRecord>();
      return overStore((store) => ({
        ...store,
        get: (key) => before.get(key) ?? store.get(key),
        put: (key, record) => {
          const older = store.get(key);
          if (older !== undefined) before.set(key, older);
          return store.put(key, record);
        },
      }));
    },
  },
  {
    name: "content_type_lost",
    breaks: "a value comes back as it was written, its content type included",
    hooks: () =>
      overRecords(({ context, siblings: [first, ...rest] }) => ({
        context,
        siblings: [untyped(first), ...rest.map(untyped)],
      })),
  },
  {
    name: "drift_not_refused",
    breaks: "nothing is taken that lies further ahead of the clock than clocks may differ",
    hooks: () => ({ nodeConfig: (config) => ({ ...config, clockMaxDriftMs: 1_000_000_000 }) }),
  },
  {
    name: "context_of_writer_not_observed",
    breaks: "a version exceeds everything in its context",
    hooks: () =>
      overNode((node) => {
        node.observe = () => undefined;
      }),
  },
  {
    name: "context_stripped_on_the_wire",
    breaks: "a record travels with its whole context",
    hooks: () => ({
      memberPorts: (ports) => ({
        ...ports,
        transport: {
          request: (to, message, timeoutMs) =>
            ports.transport.request(to, strippedMessage(message), timeoutMs),
        },
      }),
    }),
  },
  {
    name: "acknowledged_before_peer_commits",
    breaks: "a peer answers after its own commit",
    hooks: () => ({
      ...overStore((store) => ({
        ...store,
        get: (key) => store.latest(key),
        peek: (key) => store.latest(key),
      })),
      ...overNode((node) => {
        const admit = node.admit.bind(node);
        node.admit = (records, ...where) => {
          const admitted = admit(records, ...where);
          if ("code" in admitted) return admitted;
          admitted.committed.catch(() => undefined);
          return { ...admitted, committed: Promise.resolve() };
        };
        const takeMail = node.takeMail.bind(node);
        node.takeMail = (records, floor, reached) => {
          const taken = takeMail(records, floor, reached);
          if ("code" in taken) return taken;
          taken.committed.catch(() => undefined);
          return { ...taken, committed: Promise.resolve() };
        };
      }),
    }),
  },
];

function overNode(change: (node: Node) => void): Hooks {
  return { node: (node) => change(node) };
}

function overWrites(replace: (write: Node["write"]) => Node["write"]): Hooks {
  return overNode((node) => {
    node.write = replace(node.write.bind(node));
  });
}

/** Changes each record on its way into the store. */
function overRecords(change: (record: KeyRecord) => KeyRecord): Hooks {
  return overStore((store) => ({ ...store, put: (key, record) => store.put(key, change(record)) }));
}

function stripped({ siblings }: { readonly siblings: Siblings }): KeyRecord {
  return { siblings, context: new Map(siblings.map(({ version }) => [version.node, version.time])) };
}

function untyped(sibling: Sibling): Sibling {
  return sibling.kind === "value" ? { ...sibling, contentType: "" } : sibling;
}

function strippedMessage(message: PeerRequest): PeerRequest {
  if (message.kind === "rumors") {
    const rumors = message.rumors.map((rumor) =>
      rumor.record === null ? rumor : { ...rumor, record: stripped(rumor.record) },
    );
    return { ...message, rumors };
  }
  if (message.kind !== "exchange-transfer") return message;
  return {
    ...message,
    records: message.records.map(({ key, record }) => ({ key, record: stripped(record) })),
  };
}
