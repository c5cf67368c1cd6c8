import { IdentityError } from "@hearsay/node";
import { StoreError } from "@hearsay/store";

export type StartFault =
  | { readonly code: "address_in_use" | "address_unavailable" | "address_forbidden"; readonly listen: string }
  | { readonly code: "data_directory_unusable"; readonly path: string; readonly reason: string }
  | {
      readonly code: "store_locked" | "store_unreadable" | "store_version" | "disk_full";
      readonly path: string;
      readonly detail: string;
    }
  | {
      readonly code: "wrong_cluster" | "wrong_name";
      readonly expected: string;
      readonly found: string;
      readonly path: string;
    }
  | {
      readonly code: "identity_unreadable" | "clock_unreadable" | "membership_unreadable";
      readonly path: string;
    };

const NEXT: { readonly [Code in StartFault["code"]]: string } = {
  address_in_use: "Stop what listens there, or set listen to another port; port 0 takes a free one.",
  address_unavailable: "Set listen to an address of this machine.",
  address_forbidden: "Set listen to a port this user may open, above 1023.",
  data_directory_unusable:
    "Set data to a directory this user may write to, or give this one to that user, with all that is in it.",
  store_locked: "Another node runs on this directory: stop it, or set data to another directory.",
  store_unreadable:
    "Nothing was changed. Look at the log, restore a snapshot into a new directory, or start empty and let peers fill it.",
  store_version: "A newer version of hearsay wrote this directory: use that version.",
  disk_full: "Make room on the disk of the data directory.",
  wrong_cluster: "Set cluster to the directory's own, or data to another directory.",
  wrong_name: "Set name to the directory's own, or data to another directory.",
  identity_unreadable: "Restore a snapshot into a new directory, or start empty and let peers fill it.",
  clock_unreadable:
    "Nothing was changed. hearsay reset on this directory starts it as a new incarnation, which needs no old clock.",
  membership_unreadable:
    "Start with an empty directory and let peers fill it, or restore a snapshot into one. Where no other member is left, hearsay reset --alone goes on with the data.",
};

/** Why a node does not start, with the step to take. */
export class StartError extends Error {
  readonly fault: StartFault;
  readonly next: string;

  constructor(fault: StartFault, options?: ErrorOptions) {
    super(describe(fault), options);
    this.name = "StartError";
    this.fault = fault;
    this.next = NEXT[fault.code];
  }
}

function describe(fault: StartFault): string {
  switch (fault.code) {
    case "address_in_use":
      return `${fault.listen} is in use`;
    case "address_unavailable":
      return `${fault.listen} is no address of this machine`;
    case "address_forbidden":
      return `this user may not listen on ${fault.listen}`;
    case "data_directory_unusable":
      return `${fault.path} cannot be used: ${fault.reason}`;
    case "store_locked":
    case "store_unreadable":
    case "store_version":
    case "disk_full":
      return `${fault.path}: ${fault.detail}`;
    case "wrong_cluster":
      return `${fault.path} belongs to cluster ${fault.found}, not ${fault.expected}`;
    case "wrong_name":
      return `${fault.path} belongs to node ${fault.found}, not ${fault.expected}`;
    case "identity_unreadable":
      return `${fault.path}: the identity of its node cannot be read`;
    case "clock_unreadable":
      return `${fault.path}: how far its clock has run cannot be read`;
    case "membership_unreadable":
      return `${fault.path}: what it knows of its cluster cannot be read`;
  }
}

/** What opening a data directory threw, as a fault; other errors come back as they are. */
export function openingError(error: unknown, path: string): unknown {
  // Who opened it may know it by another name.
  if (error instanceof StartError && "path" in error.fault && error.fault.path !== path) {
    return new StartError({ ...error.fault, path }, { cause: error });
  }
  if (error instanceof IdentityError) return new StartError({ ...error.fault, path }, { cause: error });
  if (error instanceof StoreError) {
    const { code } = error.fault;
    const known =
      code === "store_locked" ||
      code === "store_unreadable" ||
      code === "store_version" ||
      code === "disk_full";
    return known ? new StartError({ code, path, detail: error.message }, { cause: error }) : error;
  }
  if (error instanceof Error && "syscall" in error) {
    return new StartError({ code: "data_directory_unusable", path, reason: error.message }, { cause: error });
  }
  return error;
}

/** What listening threw, as a fault; other errors come back as they are. */
export function listenError(error: unknown, listen: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return new StartError({ code: "address_in_use", listen }, { cause: error });
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new StartError({ code: "address_unavailable", listen }, { cause: error });
  }
  if (code === "EACCES") return new StartError({ code: "address_forbidden", listen }, { cause: error });
  return error;
}
