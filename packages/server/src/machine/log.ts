import type { Log } from "@hearsay/node";
import pino from "pino";

/** One JSON line for each event, `event` naming it; fields as the event's own, and `name` where the node has been given one. */
export function jsonLog(level: string, name: string): Log {
  const logger = pino({
    level,
    base: name === "" ? null : { name },
    messageKey: "event",
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
  return {
    info: (event, fields) => logger.info(fields, event),
    warn: (event, fields) => logger.warn(fields, event),
    error: (event, fields) => logger.error(fields, event),
  };
}
