// Writes docs/protocol.schema.json anew: npm run protocol:schema.
import { writeFileSync } from "node:fs";
import { protocolJsonSchema } from "../shared/protocol/json-schema.ts";

const file = new URL("../docs/protocol.schema.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(protocolJsonSchema(), undefined, 2)}\n`);
