/** Bugs below and around the store. */
import { hlcFromMs } from "@hearsay/core";
import type { MetaStore, NodePorts, RecordStore } from "@hearsay/node";
import type { DatabaseBatch, DatabaseFactory } from "@hearsay/store";
import type { Hooks } from "../cluster/composition.ts";
import type { Mutant } from "./mutant.ts";

const INDEX_SPACE = 0x69;

export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    name: "acknowledged_before_commit",
    breaks: "a write is acknowledged after its batch is written",
    hooks: () =>
      overBatches((batch) => ({
        ...batch,
        write: (options) => {
          batch.write(options).catch(() => undefined);
          return Promise.resolve();
        },
      })),
  },
  {
    name: "not_synced",
    breaks: "with durability fsync a batch is synced before it is acknowledged",
    hooks: () => overBatches((batch) => ({ ...batch, write: () => batch.write({ sync: false }) })),
  },
  {
    name: "checksum_not_checked",
    breaks: "a record that fails its checksum is not served",
    hooks: () => ({ store: (options) => ({ ...options, hashing: { ...options.hashing, crc32: () => 7 } }) }),
  },
  {
    name: "index_entry_forgotten",
    breaks: "a record and its index entry are written in one batch",
    hooks: () => {
      let entries = 0;
      return overBatches((batch) => ({
        ...batch,
        put: (key, value) => {
          if (key[0] === INDEX_SPACE && ++entries % 10 === 0) return undefined;
          return batch.put(key, value);
        },
      }));
    },
  },
  {
    name: "copied_directory_not_noticed",
    breaks: "a copied directory is a new incarnation",
    hooks: () => ({
      store: (options) => ({
        ...options,
        environment: { ...options.environment, directoryStamp: "the same" },
      }),
    }),
  },
  {
    name: "power_loss_not_noticed",
    breaks: "with durability os a new boot after an unclean stop is a new incarnation",
    hooks: () => ({
      store: (options) => ({
        ...options,
        environment: { ...options.environment, bootId: "the same" },
        sequenceFile: { read: () => 1, write: () => undefined },
      }),
    }),
  },
  {
    name: "clock_not_persisted",
    breaks: "a restarted clock continues above every time it has issued",
    hooks: () => overMeta((meta) => ({ ...meta, put: forgetting("clock", meta) })),
  },
  {
    name: "unreadable_counts_from_the_run",
    breaks: "what is unreadable is as old as the node's id, not as its process",
    hooks: () => ({
      memberPorts: (ports) => {
        const { graveyard, clock } = ports;
        const begunAt = hlcFromMs(clock.nowMs());
        return {
          ...ports,
          graveyard: {
            purge: (floor, limit) => graveyard.purge(floor, limit),
            remove: (key) => graveyard.remove(key),
            dropDamaged: (floor, _since, limit) => graveyard.dropDamaged(floor, begunAt, limit),
            quarantine: (key, sibling, kept) => graveyard.quarantine(key, sibling, kept),
          },
        };
      },
    }),
  },
  {
    name: "pending_writes_not_seen",
    breaks: "a write builds on the newest record, pending ones included",
    hooks: () => overStore((store) => ({ ...store, latest: (key) => store.get(key) })),
  },
  {
    name: "tombstone_removed_at_once",
    breaks: "a tombstone stays until every counted member has seen it",
    hooks: () =>
      overStore((store) => ({
        ...store,
        put: async (key, record) => {
          await store.put(key, record);
          if (record.siblings.every(({ kind }) => kind === "tombstone")) await store.remove(key);
        },
      })),
  },
];

/** Replaces the batches that a store writes. */
function overBatches(replace: (batch: DatabaseBatch) => DatabaseBatch): Hooks {
  return {
    store: (options) => {
      const openDatabase: DatabaseFactory = (sizes) => {
        const database = options.openDatabase(sizes);
        const batch = (): DatabaseBatch => replace(database.batch());
        return {
          open: (how) => database.open(how),
          close: () => database.close(),
          getSync: (key) => database.getSync(key),
          iterator: (range) => database.iterator(range),
          batch,
        };
      };
      return { ...options, openDatabase };
    },
  };
}

/** Replaces the store as the node sees it. */
export function overStore(replace: (store: RecordStore) => RecordStore): Hooks {
  return { nodePorts: (ports: NodePorts) => ({ ...ports, store: replace(ports.store) }) };
}

function overMeta(replace: (meta: MetaStore) => MetaStore): Hooks {
  return overStore((store) => ({ ...store, meta: replace(store.meta) }));
}

/** A put that leaves out all but the first value under one name. */
function forgetting(forgotten: string, meta: MetaStore): MetaStore["put"] {
  let hasPut = meta.get(forgotten) !== undefined;
  return (name, value) => {
    if (name !== forgotten || !hasPut) {
      hasPut ||= name === forgotten;
      return meta.put(name, value);
    }
    return Promise.resolve();
  };
}
