/** A source that tells what the test says. */
import type { Reach } from "./cut-off.ts";
import type { Source, SourceEvent } from "./source.ts";

export class FakeSource implements Source {
  readonly #tell: Map<string, (event: SourceEvent) => void> = new Map();
  #versions = 1_000;
  /** What the node says; undefined: it reaches all. */
  reaches: Reach | undefined;

  async reach(): Promise<Reach | undefined> {
    return this.reaches;
  }

  follow(prefix: string, onEvent: (event: SourceEvent) => void, signal: AbortSignal): Promise<void> {
    this.#tell.set(prefix, onEvent);
    onEvent({ kind: "reset" });
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }

  /** Puts with new versions; undefined deletes. */
  put(prefix: string, values: Readonly<Record<string, string | Uint8Array | undefined>>): void {
    for (const [name, value] of Object.entries(values)) {
      const key = prefix + name;
      this.#versions += 1;
      const version = `v${this.#versions}`;
      if (value === undefined) this.tell(prefix, { kind: "delete", key, version });
      else this.tell(prefix, { kind: "put", key, version, value: Buffer.from(value) });
    }
  }

  /** The whole prefix anew. */
  backlog(prefix: string, values: Readonly<Record<string, string | Uint8Array>>): void {
    this.tell(prefix, { kind: "reset" });
    this.put(prefix, values);
    this.tell(prefix, { kind: "synced" });
  }

  tell(prefix: string, event: SourceEvent): void {
    const tell = this.#tell.get(prefix);
    if (tell === undefined) throw new RangeError(`nobody follows ${prefix}`);
    tell(event);
  }
}
