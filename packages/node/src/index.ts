export { type Identity, IdentityError, type IdentityFault } from "./identity.ts";
export {
  type Content,
  Node,
  type NodeConfig,
  type NodePorts,
  type WriteFault,
  type Written,
} from "./node.ts";
export type {
  Clock,
  Log,
  LogFields,
  MetaStore,
  Metrics,
  Random,
  RecordStore,
  ScanChunk,
  ScanRange,
} from "./ports.ts";
