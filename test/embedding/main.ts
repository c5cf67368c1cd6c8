import { openReplica, put, read, takesWrites } from "./example.ts";

const left = await openReplica("left", []);
const right = await openReplica("right", ["left"]);
await takesWrites(right);
await put(left, "greeting", "hello");
process.stdout.write(`right reads: ${read(right, "greeting")}\n`);
await right.close();
await left.close();
