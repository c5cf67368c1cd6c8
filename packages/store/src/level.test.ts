import { levelBackend } from "./backend.contract.ts";
import { storeContract } from "./store.contract.ts";

storeContract("level", levelBackend);
