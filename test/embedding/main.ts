import { newDisk, openReplica, put, read, takesWrites } from "./example.ts";

const left = await openReplica("left", newDisk(), []);
const right = await openReplica("right", newDisk(), ["left"]);
await takesWrites(right);
await put(left, "greeting", "hello");
process.stdout.write(`right reads: ${read(right, "greeting")}\n`);
await right.close();
await left.close();
