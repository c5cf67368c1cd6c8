/** A node's store as it was handed to it, with somebody who is told of what is put and removed. */
import type { KeyRecord } from "@hearsay/core";
import type { RecordStore } from "@hearsay/node";
import { tellingTogether } from "./telling.ts";

export interface StoreObserver {
  putting(key: string, record: KeyRecord): void;
  stored(key: string, record: KeyRecord): void;
  failed(key: string): void;
  removing(key: string): void;
  removed(key: string): void;
}

export function observedStore(store: RecordStore, observer: StoreObserver): RecordStore {
  const told = tellingTogether();
  return {
    meta: store.meta,
    get: (key) => store.get(key),
    peek: (key) => store.peek(key),
    latest: (key) => store.latest(key),
    scan: (range) => store.scan(range),
    history: (key) => store.history(key),
    put: (key, record) => {
      observer.putting(key, record);
      const stored = store.put(key, record);
      stored.then(
        () => observer.stored(key, record),
        () => observer.failed(key),
      );
      return told(stored);
    },
    settled: (key) => store.settled(key),
    remove: (key) => {
      observer.removing(key);
      return store.remove(key).then(() => observer.removed(key));
    },
  };
}
