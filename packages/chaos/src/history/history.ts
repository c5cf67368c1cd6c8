import type {
  BeginEvent,
  FaultEvent,
  FinalEvent,
  HistoryEvent,
  LogEvent,
  OperationEvent,
  ProcessEvent,
  ReadEvent,
  ReceiptEvent,
  SettledEvent,
  StatusEvent,
  VerdictEvent,
  VerifyEvent,
  WriteEvent,
} from "./events.ts";

/** The events of one run, sorted out by what they are; each kind in the order of the lines. */
export class History {
  begin: BeginEvent | undefined;
  endMs = 0;
  /** Then the end is the moment when that was done. */
  isInterrupted = false;
  readonly operations: OperationEvent[] = [];
  readonly writes: WriteEvent[] = [];
  readonly reads: ReadEvent[] = [];
  readonly receipts: ReceiptEvent[] = [];
  readonly statuses: StatusEvent[] = [];
  readonly verdicts: VerdictEvent[] = [];
  readonly faults: FaultEvent[] = [];
  readonly processes: ProcessEvent[] = [];
  readonly logs: LogEvent[] = [];
  readonly finals: FinalEvent[] = [];
  readonly verifications: VerifyEvent[] = [];
  readonly settled: SettledEvent[] = [];

  static of(events: Iterable<HistoryEvent>): History {
    const history = new History();
    for (const event of events) history.add(event);
    return history;
  }

  add(event: HistoryEvent): void {
    switch (event.type) {
      case "begin":
        this.begin = event;
        return;
      case "op":
        this.operations.push(event);
        if (event.do === "get") this.reads.push(event);
        else if (event.do === "receipt") this.receipts.push(event);
        else this.writes.push(event);
        return;
      case "end":
        this.endMs = event.atMs;
        return;
      case "interrupted":
        this.endMs = event.atMs;
        this.isInterrupted = true;
        return;
      default:
        this.#file(event);
    }
  }

  #file(
    event: Exclude<HistoryEvent, BeginEvent | OperationEvent | { readonly type: "end" | "interrupted" }>,
  ): void {
    switch (event.type) {
      case "status":
        this.statuses.push(event);
        return;
      case "verdict":
        this.verdicts.push(event);
        return;
      case "fault":
        this.faults.push(event);
        return;
      case "process":
        this.processes.push(event);
        return;
      case "log":
        this.logs.push(event);
        return;
      case "final":
        this.finals.push(event);
        return;
      case "verify":
        this.verifications.push(event);
        return;
      case "settled":
        this.settled.push(event);
    }
  }
}
