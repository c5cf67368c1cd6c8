/** Schemas and types of the check of a node's own data. */
import { type Static, Type } from "./schema.ts";

const Count = Type.Integer({ minimum: 0 });
const Keys = (description: string) =>
  Type.Array(Type.String(), { description: `${description}; the first hundred at most` });

const deep = Type.Optional(
  Type.Union([Type.Literal("true"), Type.Literal("false")], {
    description: "Reads every record and checks its checksum; else the index alone is compared",
  }),
);

export const VerifyQuery = Type.Object({ deep }, { title: "VerifyQuery", additionalProperties: false });
export type VerifyQuery = Static<typeof VerifyQuery>;

export const VerifyRepairQuery = Type.Object(
  {
    deep,
    repair: Type.Optional(
      Type.Union([Type.Literal("true"), Type.Literal("false")], {
        description: "Fetches damaged records from the other members, and starts anew where accounts differ",
      }),
    ),
  },
  { title: "VerifyRepairQuery", additionalProperties: false },
);
export type VerifyRepairQuery = Static<typeof VerifyRepairQuery>;

const VerifyRepair = Type.Object(
  {
    exchanges: Type.Integer({ minimum: 0, description: "With members that were asked" }),
    failed: Count,
    damaged: Type.Integer({ minimum: 0, description: "Records that are still damaged" }),
    restarting: Type.Boolean({ description: "The node starts again to salvage and rebuild" }),
  },
  { title: "VerifyRepair" },
);

export const VerifyLine = Type.Union(
  [
    Type.Object({ event: Type.Literal("progress"), entries: Count }),
    Type.Object({ event: Type.Literal("failed"), code: Type.String(), detail: Type.String() }),
    Type.Object({
      event: Type.Literal("end"),
      deep: Type.Boolean(),
      records: Count,
      indexEntries: Count,
      recordBucketsDiffering: Count,
      indexBucketsDiffering: Count,
      damaged: Type.Integer({ minimum: 0, description: "Records that cannot be read" }),
      damagedKeys: Keys("Their keys"),
      differingKeys: Keys("Keys in the buckets that differ"),
      consistent: Type.Boolean({ description: "Records, index and fingerprints agree" }),
      repair: Type.Union([VerifyRepair, Type.Null()]),
    }),
  ],
  { title: "VerifyLine", description: "One line; the last is an end or a failed" },
);
export type VerifyLine = Static<typeof VerifyLine>;
