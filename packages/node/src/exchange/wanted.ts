/** What is asked for by the hash of its key: the records of one bucket under it are answered together. */
import { ahead, type BucketWant } from "@hearsay/core";
import type { ListedRecord } from "../cluster/ports.ts";
import type { AnswerPart } from "./owed.ts";
import type { ExchangeReplica } from "./replica.ts";
import { BUCKETS_AHEAD, type ReadRecord, recordBytes, recordToSend } from "./session.ts";

export interface WantedPorts {
  readonly maxMessageBytes: number;
  /** Whether the time of this answer is over. */
  isOver(): boolean;
  list(bucket: number): Promise<readonly ListedRecord[]>;
}

/**
 * Adds wanted records to an answer as far as they fit, and there is time: the first record and the first hash whatever they take.
 * @returns what is left
 * @throws PeerFault `busy`; see {@link recordToSend}
 */
export async function addWanted(
  replica: ExchangeReplica,
  wants: readonly BucketWant[],
  answer: AnswerPart,
  { maxMessageBytes, isOver, list }: WantedPorts,
): Promise<BucketWant[]> {
  const { records } = answer;
  const leftOut: BucketWant[] = [];
  const answered = new Set(records.map(({ key }) => key));
  let { bytes } = answer;
  let hasLooked = false;
  let isFull = false;
  const lists = ahead(wants, BUCKETS_AHEAD, ({ bucket }) => list(bucket));
  for (const { bucket, keyHashes } of wants) {
    const listed = isFull ? [] : ((await lists.next()).value ?? []);
    const left: string[] = [];
    for (const keyHash of keyHashes) {
      isFull ||= hasLooked && isOver();
      const found: readonly ReadRecord[] = isFull
        ? []
        : listed
            .filter((entry) => entry.keyHash === keyHash && !answered.has(entry.key))
            .flatMap(({ key }) => recordToSend(replica, key) ?? []);
      const size = found.reduce((sum, { key, record }) => sum + recordBytes(key, record), 0);
      isFull ||= records.length > 0 && bytes + size > maxMessageBytes;
      if (isFull) {
        left.push(keyHash);
        continue;
      }
      records.push(...found);
      bytes += size;
      hasLooked = true;
    }
    if (left.length > 0) leftOut.push({ bucket, keyHashes: left });
  }
  return leftOut;
}
