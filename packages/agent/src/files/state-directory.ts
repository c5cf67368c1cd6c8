/**
 * What the agent keeps for its next start: last good copies of prefixes, reloads that are owed, and of each file a note of
 * what it was made of. Each is replaced as a whole. A copy ends with a checksum over the lines before it, so one that was cut short or altered is noticed.
 */
import { createHash } from "node:crypto";
import { access, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentError, reasonOf } from "../fault.ts";
import type { Values } from "../values/prefix-view.ts";
import {
  createDirectory,
  isNotFound,
  removeLeftovers,
  replaceSynced,
  syncDirectory,
} from "./durable-write.ts";
import { type FileNote, formatNote, parseNote } from "./file-note.ts";

const FORMAT = "hearsay-agent-copy-1";

export class StateDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws AgentError `state_unusable` */
  static async open(path: string): Promise<StateDirectory> {
    try {
      await createDirectory(path);
      await removeLeftovers(path);
      await replaceSynced(join(path, "format"), Buffer.from(`${FORMAT}\n`));
    } catch (error) {
      throw unusable(path, error);
    }
    return new StateDirectory(path);
  }

  /** For reading alone: it need not be there. */
  static reading(path: string): Pick<StateDirectory, "loadCopy" | "loadNote"> {
    return new StateDirectory(path);
  }

  async saveCopy(prefix: string, values: Values): Promise<void> {
    const lines = [JSON.stringify({ format: FORMAT, prefix, keys: values.size })];
    for (const [key, value] of values)
      lines.push(JSON.stringify([key, Buffer.from(value).toString("base64")]));
    const body = `${lines.join("\n")}\n`;
    await replaceSynced(this.#copyPath(prefix), Buffer.from(`${body}${sha256(body)}\n`));
  }

  /**
   * The last good copy of a prefix; undefined when there is none.
   * @throws AgentError `copy_damaged`
   */
  async loadCopy(prefix: string): Promise<Values | undefined> {
    const path = this.#copyPath(prefix);
    const damaged = (reason: string): AgentError => new AgentError({ code: "copy_damaged", path, reason });
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw damaged(reasonOf(error));
    }
    const end = text.lastIndexOf("\n", text.length - 2) + 1;
    const body = text.slice(0, end);
    if (`${sha256(body)}\n` !== text.slice(end)) throw damaged("its checksum does not fit");
    const values = parseCopy(body, prefix);
    if (values === undefined) throw damaged("it is of another form or prefix");
    return values;
  }

  /** Replaces the note of a file. @throws AgentError `state_unusable` */
  async saveNote(path: string, note: FileNote): Promise<void> {
    await this.#use(() => replaceSynced(this.#notePath(path), Buffer.from(formatNote(path, note))));
  }

  /** Undefined when there is none, or none that can be read. @throws AgentError `state_unusable`: it cannot be told */
  async loadNote(path: string): Promise<FileNote | undefined> {
    return await this.#use(async () => {
      try {
        return parseNote(await readFile(this.#notePath(path), "utf8"));
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });
  }

  /** Notes that the reload of a file is due, before the file is renamed. @throws AgentError `state_unusable` */
  async owe(path: string): Promise<void> {
    if (await this.owes(path)) return;
    await this.#use(async () => {
      await writeFile(this.#owedPath(path), `${path}\n`, { mode: 0o600, flush: true });
      await syncDirectory(this.path);
    });
  }

  /** @throws AgentError `state_unusable`: it cannot be told */
  async owes(path: string): Promise<boolean> {
    return await this.#use(async () => {
      try {
        await access(this.#owedPath(path));
        return true;
      } catch (error) {
        if (isNotFound(error)) return false;
        throw error;
      }
    });
  }

  /** @throws AgentError `state_unusable` */
  async settle(path: string): Promise<void> {
    await this.#use(() => rm(this.#owedPath(path), { force: true }));
  }

  async #use<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw unusable(this.path, error);
    }
  }

  #copyPath(prefix: string): string {
    return join(this.path, `copy-${sha256(prefix).slice(0, 32)}`);
  }

  #notePath(path: string): string {
    return join(this.path, `note-${sha256(path).slice(0, 32)}`);
  }

  #owedPath(path: string): string {
    return join(this.path, `owed-${sha256(path).slice(0, 32)}`);
  }
}

function unusable(path: string, error: unknown): AgentError {
  return new AgentError({ code: "state_unusable", path, reason: reasonOf(error) }, { cause: error });
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function parseCopy(body: string, prefix: string): Values | undefined {
  const [head = "", ...lines] = body.trimEnd().split("\n");
  const expected = JSON.stringify({ format: FORMAT, prefix, keys: lines.length });
  if (head !== expected) return undefined;
  const values = new Map<string, Uint8Array>();
  for (const line of lines) {
    const entry: unknown = JSON.parse(line);
    if (!Array.isArray(entry)) return undefined;
    const [key, value]: readonly unknown[] = entry;
    if (typeof key !== "string" || typeof value !== "string") return undefined;
    values.set(key, Buffer.from(value, "base64"));
  }
  return values;
}
