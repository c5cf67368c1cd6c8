import type { Log, LogFields, Metrics } from "../ports.ts";

/** Keeps what was logged and counted. */
export class EventLog implements Log, Metrics {
  readonly lines: {
    readonly level: "info" | "warn" | "error";
    readonly event: string;
    readonly fields: LogFields;
  }[] = [];
  readonly counts: Map<string, number> = new Map();

  info(event: string, fields: LogFields): void {
    this.lines.push({ level: "info", event, fields });
  }

  warn(event: string, fields: LogFields): void {
    this.lines.push({ level: "warn", event, fields });
  }

  error(event: string, fields: LogFields): void {
    this.lines.push({ level: "error", event, fields });
  }

  count(name: string, amount: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + amount);
  }

  of(event: string): readonly LogFields[] {
    return this.lines.filter((line) => line.event === event).map(({ fields }) => fields);
  }
}
