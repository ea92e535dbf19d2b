/** Named versions. Whether a version may be named is judged by the document's row in the same statement. */
import { readCursor, writeCursor } from "../cursor.ts";
import type { NamedVersion, VersionStore } from "../store.ts";
import type { Database } from "./database.ts";

const columns = `n.name, n.version, n.created_at AS "createdAt", n.created_by AS "createdBy"`;

const create = {
  name: "version_create",
  text: `WITH doc AS (SELECT id, version, retained_from FROM documents WHERE id = $1), made AS (
      INSERT INTO document_versions AS n (doc_id, name, version, created_by)
      SELECT id, $2, coalesce($3, version), $4 FROM doc
      WHERE coalesce($3, version) BETWEEN retained_from - 1 AND version
      ON CONFLICT DO NOTHING RETURNING ${columns}
    )
    SELECT doc.version AS current, doc.retained_from AS "retainedFrom", made.* FROM doc LEFT JOIN made ON true`,
};
const remove = {
  name: "version_remove",
  text: "DELETE FROM document_versions WHERE doc_id = $1 AND name = $2",
};
const marked = {
  name: "version_marked",
  text: "SELECT DISTINCT version FROM document_versions WHERE doc_id = $1 ORDER BY version",
};

type CreateRow = { readonly [K in keyof NamedVersion]: NamedVersion[K] | null } & {
  readonly current: number;
  readonly retainedFrom: number;
};

/** Named versions in PostgreSQL. */
export function createVersions(database: Database): VersionStore {
  return {
    async create(docId, { name, version: wanted = null, createdBy }) {
      const row = (await database.rows<CreateRow>(create, [docId, name, wanted, createdBy]))[0];
      if (row === undefined) return { outcome: "missing" };
      const { current, retainedFrom, ...made } = row;
      if (made.name !== null) return { outcome: "created", named: made as NamedVersion };
      const version = wanted ?? current;
      if (version > current) return { outcome: "beyond", version: current };
      return version < retainedFrom - 1 ? { outcome: "archived" } : { outcome: "taken" };
    },
    async list(docId, page) {
      const cursor = page.cursor === undefined ? undefined : readCursor(page.cursor, "version", "text");
      const after =
        cursor === undefined ? "" : `AND (n.version, n.name COLLATE "C") > ($3::bigint, $4::text)`;
      const rows = await database.rows<NamedVersion>(
        {
          text: `SELECT ${columns} FROM document_versions n WHERE n.doc_id = $1 ${after}
            ORDER BY n.version, n.name COLLATE "C" LIMIT $2`,
        },
        [docId, page.limit + 1, ...(cursor ?? [])],
      );
      const items = rows.slice(0, page.limit);
      const last = items.at(-1);
      const more = rows.length > page.limit && last !== undefined;
      return { items, nextCursor: more ? writeCursor(last.version, last.name) : null };
    },
    async remove(docId, name) {
      return (await database.count(remove, [docId, name])) > 0;
    },
    async marked(docId) {
      return (await database.rows<{ version: number }>(marked, [docId])).map(({ version }) => version);
    },
  };
}
