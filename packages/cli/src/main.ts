#!/usr/bin/env node
import { processIo } from "./io.ts";

// Before the commands are loaded, which takes longer than all else: the first process of a container is not even ended by a
// signal that it does not listen to, and whatever sent it waits in vain.
const io = processIo();
const { run } = await import("./run.ts");

process.exitCode = await run(process.argv.slice(2), io);
