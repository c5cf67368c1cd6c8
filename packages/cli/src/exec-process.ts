import { processPorts, RunningExec } from "@hearsay/agent";
import { clientSource, jsonLog } from "./agent-process.ts";
import type { ExecFlags } from "./commands/exec.ts";
import { ExitWith } from "./failure.ts";
import { type Io, Stopped } from "./io.ts";
import { endpointsOf } from "./session.ts";

/** End this process, and the command with it; the second one at once. */
const ENDING = ["SIGINT", "SIGTERM"] as const;
/** Handed on to the command; what ends this process is handed on as well. */
const HANDED_ON = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

/** @throws ExitWith the command's exit code */
export async function exec(io: Io, words: readonly string[], flags: ExecFlags): Promise<void> {
  const ports = processPorts(jsonLog(io.err));
  const running = new RunningExec({
    words,
    signal: flags.signal,
    killAfterMs: flags.killAfter,
    environment: io.env,
    prefixes: flags.prefix,
    source: clientSource(endpointsOf(flags, io.env), ports),
    ports,
    state: flags.state,
    splayMs: flags.splay,
    allowEmpty: flags.allowEmpty === true,
  });
  const handOn = (signal: NodeJS.Signals): void => running.child.send(signal);
  for (const signal of HANDED_ON) process.on(signal, handOn);
  const stop = (): void => {
    const { reason } = io.stopped;
    void running.stop(reason instanceof Stopped ? reason.signalName : "SIGTERM");
  };
  let asked = 0;
  const insist = (): void => {
    asked += 1;
    if (asked > 1) running.child.send("SIGKILL");
  };
  for (const signal of ENDING) process.on(signal, insist);
  if (io.stopped.aborted) stop();
  else io.stopped.addEventListener("abort", stop, { once: true });
  try {
    throw new ExitWith(await running.run());
  } finally {
    io.stopped.removeEventListener("abort", stop);
    for (const signal of ENDING) process.off(signal, insist);
    for (const signal of HANDED_ON) process.off(signal, handOn);
  }
}
