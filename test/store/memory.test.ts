import { uuidv7 } from "uuidv7";
import { createMemoryStore } from "../../server/store/memory/store.ts";
import { storeContract } from "./contract.ts";

let nowMs = Date.UTC(2026, 0, 1);
const store = createMemoryStore({ nowMs: () => ++nowMs, newId: uuidv7 });

storeContract("memory", () => ({
  store,
  pass: async (ms) => {
    nowMs += ms;
  },
}));
