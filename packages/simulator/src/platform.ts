/** What a simulation is handed from outside: it touches no hash library, no database and no event loop itself. */
import type { Hashing } from "@hearsay/core";
import type { Database } from "@hearsay/store";

export interface Platform {
  readonly hashing: Hashing;
  /** A new, unopened, empty memory-level with `view` encodings, which keeps its contents over close and open. */
  newDatabase(): Database;
  /** Settles when every promise that can settle without a timer has done so. */
  turn(): Promise<void>;
}
