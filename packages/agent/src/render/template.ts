/** Text from an Eta template and the values of a file's prefixes. Nothing but the template and its partials is read. */
import { dirname } from "node:path";
import { Eta } from "eta";
import { AgentError, reasonOf } from "../fault.ts";
import type { Values } from "../values/prefix-view.ts";

export interface Template {
  readonly path: string;
  readonly text: string;
}

/** The values that a file may use, and the prefixes that say which those are. */
export interface Scope {
  readonly prefixes: readonly string[];
  readonly values: Values;
}

export interface Rendered {
  readonly text: string;
  /** Keys without a value that were asked for without a default, each once. */
  readonly missing: readonly string[];
}

/** @throws AgentError `template_failed` */
export function renderTemplate(template: Template, scope: Scope): Rendered {
  const eta = new Eta({
    views: dirname(template.path),
    autoEscape: false,
    // A line feed behind a tag is part of the file; `-%>` takes it away.
    autoTrim: false,
    cache: false,
    cacheFilepaths: false,
  });
  const access = new Access(scope);
  try {
    const text = eta.renderString(template.text, access.calls());
    return { text, missing: [...access.missing] };
  } catch (error) {
    throw new AgentError(
      { code: "template_failed", path: template.path, reason: reasonOf(error) },
      { cause: error },
    );
  }
}

interface Listed {
  readonly key: string;
  readonly name: string;
  readonly value: string;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Access {
  readonly missing: Set<string> = new Set();
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** What `it` is in a template. */
  calls(): object {
    return {
      get: (key: string, fallback?: string): string => this.#text(key) ?? this.#fallback(key, fallback) ?? "",
      has: (key: string): boolean => this.#bytes(key) !== undefined,
      json: (key: string, fallback?: unknown): unknown => {
        const text = this.#text(key);
        return text === undefined ? this.#fallback(key, fallback) : parseJson(key, text);
      },
      bytes: (key: string): string => {
        const bytes = this.#bytes(key);
        if (bytes === undefined) this.missing.add(key);
        return Buffer.from(bytes ?? []).toString("base64");
      },
      list: (prefix: string): readonly Listed[] => this.#list(prefix),
      names: (prefix: string): readonly string[] => {
        const names = this.#list(prefix).map(({ name }) => name.split("/")[0] ?? "");
        return [...new Set(names)].filter((name) => name !== "");
      },
    };
  }

  #fallback<T>(key: string, fallback: T | undefined): T | undefined {
    if (fallback === undefined) this.missing.add(key);
    return fallback;
  }

  #bytes(key: string): Uint8Array | undefined {
    if (!this.#scope.prefixes.some((prefix) => key.startsWith(prefix))) throw outside(key);
    return this.#scope.values.get(key);
  }

  #text(key: string): string | undefined {
    const bytes = this.#bytes(key);
    return bytes === undefined ? undefined : decode(key, bytes);
  }

  #list(prefix: string): readonly Listed[] {
    if (!this.#scope.prefixes.some((own) => prefix.startsWith(own))) throw outside(prefix);
    return [...this.#scope.values]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(([key, bytes]) => ({
        key,
        name: key.slice(prefix.length),
        // Read only when it is asked for: a value that is no text hinders nobody who wants the names.
        get value() {
          return decode(key, bytes);
        },
      }));
  }
}

function decode(key: string, bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new TypeError(`the value of ${JSON.stringify(key)} is not UTF-8`);
  }
}

function parseJson(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TypeError(`the value of ${JSON.stringify(key)} is not JSON: ${reasonOf(error)}`);
  }
}

function outside(key: string): Error {
  return new RangeError(
    `${JSON.stringify(key)} is not below the file's prefixes, so its changes would not be seen`,
  );
}
