/** Which servers use a database, for commands that change what these need. */
import { createPool } from "../database/pool.ts";

/** How many instances renewed their lease within its time. */
export async function liveServers(url: string, leaseMs: number): Promise<number> {
  const pool = createPool({ url, max: 1 });
  try {
    const { rows } = await pool.query<{ exists: boolean }>(
      "SELECT to_regclass('instances') IS NOT NULL AS exists",
    );
    if (rows[0]?.exists !== true) return 0;
    const counted = await pool.run<{ count: number }>({
      text: `SELECT count(*)::int AS count FROM instances
        WHERE heartbeat_at > clock_timestamp() - $1 * interval '1 millisecond'`,
      values: [leaseMs],
    });
    return counted.rows[0]?.count ?? 0;
  } finally {
    await pool.close();
  }
}
