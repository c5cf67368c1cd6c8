/** Records the store cannot read any more, and what it still knows of them. */
import { isHlcTime, type KeyRecord, type Version } from "@hearsay/core";

export type Readable =
  | { readonly record: KeyRecord | undefined; readonly lost: undefined }
  /** The record is damaged; these versions were in it, as far as the index tells: none, when that is damaged too. */
  | { readonly record: undefined; readonly lost: readonly Version[]; readonly error: unknown };

/** What a read gives, or what it has lost. Other errors of the store are thrown on. */
export function readOrLost(read: () => KeyRecord | undefined): Readable {
  try {
    return { record: read(), lost: undefined };
  } catch (error) {
    const lost = versionsOfDamaged(error);
    if (lost === undefined) throw error;
    return { record: undefined, lost, error };
  }
}

/** What the store's `record_damaged` says was there; undefined for any other error. */
function versionsOfDamaged(error: unknown): readonly Version[] | undefined {
  if (!(error instanceof Error) || !("fault" in error)) return undefined;
  const { fault } = error;
  if (typeof fault !== "object" || fault === null || !("code" in fault) || fault.code !== "record_damaged")
    return undefined;
  return "versions" in fault && Array.isArray(fault.versions) ? fault.versions.filter(isVersion) : undefined;
}

function isVersion(value: unknown): value is Version {
  return (
    typeof value === "object" &&
    value !== null &&
    "time" in value &&
    isHlcTime(value.time) &&
    "node" in value &&
    typeof value.node === "string"
  );
}
