import type { Log } from "@hearsay/node";
import pino from "pino";
import { LogOutput } from "./log-output.ts";

const STANDARD_OUTPUT = 1;

/**
 * One JSON line for each event on standard output, `event` naming it; fields as the event's own, and `name` where the node has been
 * given one.
 * @param onDropped called for each line that could not be written
 */
export function jsonLog(level: string, name: string, onDropped: () => void): Log {
  const output = new LogOutput(STANDARD_OUTPUT, {
    onDropped,
    onResumed: (count) => logger.warn({ count }, "log_lines_dropped"),
  });
  const options = {
    level,
    base: name === "" ? null : { name },
    messageKey: "event",
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, output);
  return {
    info: (event, fields) => logger.info(fields, event),
    warn: (event, fields) => logger.warn(fields, event),
    error: (event, fields) => logger.error(fields, event),
  };
}
