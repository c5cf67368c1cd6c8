/**
 * Reads record lines and sends them as batches, several in flight, in constant memory.
 *
 * Guarantees: every line is written, counted as expired, or named in the error that ends the import. The order of
 * a key's lines is kept: two batches that share a key are never in flight together. What it cannot keep it tells: a batch
 * whose answer did not come is sent again, and the first attempt may arrive at any time after.
 */
import { DURATION_MAX_MS } from "@hearsay/api";
import type { BatchDraft, Client } from "@hearsay/client";
import { CliError, EXIT, reportOf } from "./failure.ts";
import { LineNotUtf8, LineTooLong, readLineBlocks } from "./lines.ts";
import { type PutOperation, parseRecordLine, type RecordLine } from "./record-line.ts";
import type { SentLines } from "./sent-again.ts";

export interface ImportOptions {
  readonly client: Pick<Client, "batch" | "draft">;
  readonly signal: AbortSignal;
  /** Batches in flight. */
  readonly concurrency: number;
  /** Records in a batch at most. */
  readonly batchRecords: number;
  /** Wall clock, in milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly onProgress: (progress: ImportProgress) => void;
  /** Called once for each batch of which an attempt may still take effect when it is sent again. */
  readonly onRepeat: (batch: SentLines) => void;
}

export interface ImportProgress {
  /** Acknowledged. */
  readonly records: number;
  /** Skipped because their time was over. */
  readonly expired: number;
  /** Bytes of the input that have been read. */
  readonly bytesRead: number;
}

/** Of values and keys in a batch; well below the 8 MiB that nodes take by default. */
const BATCH_MAX_BYTES = 2 * 1024 * 1024;
/** A line can hold the largest value there is, 64 MiB, in base64. */
const LINE_MAX_BYTES = 96 * 1024 * 1024;

interface Batch {
  readonly draft: BatchDraft;
  readonly keys: Set<string>;
  bytes: number;
  firstLine: number;
  lastLine: number;
}

export async function importRecords(
  input: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportProgress> {
  const run = new ImportRun(options);
  try {
    for await (const { lines, firstNumber, endOffset } of readLineBlocks(input, LINE_MAX_BYTES)) {
      run.bytesRead = endOffset;
      for (const [i, line] of lines.entries()) {
        if (run.add(line, firstNumber + i)) await run.send();
      }
    }
    await run.send();
  } catch (error) {
    await run.settle();
    throw run.failure() ?? namedLine(error) ?? error;
  }
  await run.settle();
  const failure = run.failure();
  if (failure !== undefined) throw failure;
  return run.progress;
}

interface Failed {
  readonly batch: Batch;
  readonly error: unknown;
}

class ImportRun {
  bytesRead = 0;
  readonly #options: ImportOptions;
  readonly #inFlight: Map<Promise<void>, Batch> = new Map();
  #batch: Batch;
  #failed: Failed | undefined;
  #records = 0;
  #expired = 0;

  constructor(options: ImportOptions) {
    this.#options = options;
    this.#batch = this.#emptyBatch();
  }

  get progress(): ImportProgress {
    return { records: this.#records, expired: this.#expired, bytesRead: this.bytesRead };
  }

  /** Whether the batch has to be sent before the next line. */
  add(line: string, number: number): boolean {
    if (line === "" || line === "\r") return false;
    const record = parseRecordLine(line);
    if (typeof record === "string") throw badLine(number, record);
    const { key, value, expiresAtMs } = record;
    const ttlMs = expiresAtMs === undefined ? undefined : expiresAtMs - this.#options.nowMs();
    if (ttlMs !== undefined && ttlMs <= 0) {
      this.#expired += 1;
      return false;
    }
    if (ttlMs !== undefined && ttlMs > DURATION_MAX_MS) throw badLine(number, "expiresAt is too far away");
    const batch = this.#batch;
    if (batch.draft.size === 0) batch.firstLine = number;
    batch.lastLine = number;
    batch.bytes += value.length + key.length;
    batch.keys.add(key);
    batch.draft.add(putOf(record, ttlMs));
    return batch.draft.size >= this.#options.batchRecords || batch.bytes >= BATCH_MAX_BYTES;
  }

  /** Sends the batch once there is room for it and no batch in flight holds one of its keys. */
  async send(): Promise<void> {
    const batch = this.#batch;
    if (batch.draft.size === 0) return;
    this.#batch = this.#emptyBatch();
    while (this.#inFlight.size >= this.#options.concurrency) await Promise.race(this.#inFlight.keys());
    for (const [sent, earlier] of this.#inFlight) {
      if (overlap(batch.keys, earlier.keys)) await sent;
    }
    if (this.#failed !== undefined) throw this.#failed.error;
    const sent: Promise<void> = this.#write(batch).finally(() => this.#inFlight.delete(sent));
    this.#inFlight.set(sent, batch);
  }

  /** Waits for what is in flight; never rejects. */
  async settle(): Promise<void> {
    await Promise.all(this.#inFlight.keys());
  }

  /** Of the failed batch with the first lines, once all have settled: everything before them is written. */
  failure(): unknown {
    return this.#failed && batchFailure(this.#failed, this.#options.signal);
  }

  #emptyBatch(): Batch {
    return { draft: this.#options.client.draft(), keys: new Set(), bytes: 0, firstLine: 0, lastLine: 0 };
  }

  async #write(batch: Batch): Promise<void> {
    const { client, signal, onProgress, onRepeat } = this.#options;
    let isRepeated = false;
    const onRepeatUnknown = (): void => {
      if (isRepeated) return;
      isRepeated = true;
      const { firstLine, lastLine, draft } = batch;
      onRepeat({ records: draft.size, firstLine, lastLine });
    };
    try {
      // The import's lines win over what is there, so making a batch twice in a row changes nothing.
      await client.batch(batch.draft, { signal, repeatUnknown: true, onRepeatUnknown, results: "none" });
      this.#records += batch.draft.size;
      onProgress(this.progress);
    } catch (error) {
      // Batches do not fail in the order of their lines.
      if (this.#failed === undefined || batch.firstLine < this.#failed.batch.firstLine)
        this.#failed = { batch, error };
    }
  }
}

/** Written out: spreading what is there or not takes several times as long. */
function putOf({ key, value, contentType }: RecordLine, ttlMs: number | undefined): PutOperation {
  if (ttlMs === undefined) {
    return contentType === undefined ? { op: "put", key, value } : { op: "put", key, value, contentType };
  }
  const ttl = `${ttlMs}ms`;
  return contentType === undefined
    ? { op: "put", key, value, ttl }
    : { op: "put", key, value, contentType, ttl };
}

function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const key of a) if (b.has(key)) return true;
  return false;
}

function batchFailure({ batch, error }: Failed, signal: AbortSignal): unknown {
  const report = signal.aborted ? undefined : reportOf(error);
  if (report === undefined) return error;
  const { firstLine, lastLine } = batch;
  const fate = report.outcome === "unknown" ? "may not have been written" : "were not written";
  return new CliError(`lines ${firstLine} to ${lastLine} ${fate}: ${report.message}`, {
    code: report.code,
    exit: report.exit === EXIT.unreachable || report.exit === EXIT.timedOut ? report.exit : EXIT.error,
    next: `Lines after them may not have been written either; those before them have. Import the file again, or from line ${firstLine} on: tail -n +${firstLine} FILE | hearsay import -`,
  });
}

function badLine(number: number, reason: string): CliError {
  return new CliError(`line ${number}: ${reason}`, {
    code: "bad_line",
    exit: EXIT.error,
    next: "Correct the line and import the file again; the lines before it may have been written.",
  });
}

function namedLine(error: unknown): CliError | undefined {
  if (error instanceof LineTooLong) return badLine(error.number, "it is too long");
  if (error instanceof LineNotUtf8) return badLine(error.number, "it is not UTF-8");
  return undefined;
}
