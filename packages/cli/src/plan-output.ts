import type { PlanLine } from "@hearsay/agent";
import type { Io } from "./io.ts";
import { style } from "./printer.ts";

/** A line of a plan, in the colours that differences usually have. */
export function paintPlanLine(io: Io, { kind, text }: PlanLine): string {
  switch (kind) {
    case "create":
    case "added":
      return style.good(io, "out", text);
    case "delete":
    case "removed":
      return style.bad(io, "out", text);
    case "update":
      return style.warn(io, "out", text);
    case "context":
      return style.dim(io, "out", text);
  }
}
