export { VirtualCluster } from "./cluster/virtual-cluster.ts";
export type { Platform } from "./platform.ts";
export { VirtualTime } from "./time/virtual-time.ts";
