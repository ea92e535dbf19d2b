/** A process that migrates, for tests: `node --import tsx migrator.ts URL DIR`. */
import { migrate } from "../../server/database/migrate.ts";

const [url = "", dir = ""] = process.argv.slice(2);
const { applied } = await migrate(url, "up", { dir });
process.stdout.write(JSON.stringify(applied));
