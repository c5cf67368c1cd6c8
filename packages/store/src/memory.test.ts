import { memoryBackend } from "./backend.contract.ts";
import { storeContract } from "./store.contract.ts";

storeContract("memory-level", memoryBackend);
