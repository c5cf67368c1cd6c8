/** What a run would do to each file; writes and runs nothing. */
import { AgentError } from "../fault.ts";
import { StateDirectory } from "../files/state-directory.ts";
import { readSettings } from "../settings/parse-settings.ts";
import { Views } from "../values/views.ts";
import { previewFile } from "./make-file.ts";
import type { RunAgentOptions } from "./run-agent.ts";
import { copiedKeys, usedPrefixes } from "./used-prefix.ts";

export interface FilePreview {
  readonly path: string;
  readonly stale: boolean;
  /** Undefined when there is no such file. */
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array | undefined;
  readonly missing: readonly string[];
  /** Why it would stay as it is; with `after` the guard's reason. */
  readonly error: AgentError | undefined;
}

/**
 * Settles once every prefix is whole.
 * @throws AgentError `settings_invalid`, and the signal's reason
 */
export async function dryRun(options: RunAgentOptions, signal: AbortSignal): Promise<readonly FilePreview[]> {
  const settings = await readSettings(options.path);
  const { allowEmpty, failOnMissing = settings.failOnMissing, ports, sourceOf } = options;
  const state = StateDirectory.reading(settings.state);
  const prefixes = settings.files.flatMap((file) => file.prefixes);
  let whole: () => void = () => undefined;
  const isWhole = new Promise<void>((resolve, reject) => {
    whole = resolve;
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  const views: Views = new Views(prefixes, {
    source: sourceOf(settings),
    ports,
    startWaitMs: settings.startWaitMs,
    loadCopy: (prefix) => state.loadCopy(prefix),
    onChange: () => {
      if (views.readiness(prefixes) !== "not_ready") whole();
    },
  });
  views.start();
  try {
    await isWhole;
    const copied = await copiedKeys(state, new Set(prefixes));
    const previews: FilePreview[] = [];
    for (const file of settings.files) {
      const head = { path: file.path, stale: views.readiness(file.prefixes) !== "ready" };
      try {
        const values = {
          scope: views.scope(file.prefixes),
          prefixes: usedPrefixes(views, file.prefixes, copied),
        };
        previews.push({
          ...head,
          ...(await previewFile(file, values, { state, allowEmpty, failOnMissing })),
        });
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        previews.push({ ...head, before: undefined, after: undefined, missing: [], error });
      }
    }
    return previews;
  } finally {
    await views.stop();
  }
}
