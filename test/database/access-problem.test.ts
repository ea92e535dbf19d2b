import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { AccessProblem, accessHints, asAccessProblem } from "../../server/database/access-problem.ts";
import { asStoreError } from "../../server/database/sqlstate.ts";

const place = "the database at h:5432 (--database-url)";
const told = (error: unknown) => {
  const problem = asAccessProblem(error, place);
  return problem instanceof AccessProblem ? problem.message : undefined;
};
const fatal = (code: string, message: string) =>
  Object.assign(new Error(message), { code, severity: "FATAL" });
const refused = (address: string) =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: "ECONNREFUSED", syscall: "connect" });

test.each([
  [refused("127.0.0.1:1"), "connect ECONNREFUSED 127.0.0.1:1; nothing listens there: "],
  [
    new AggregateError([refused("::1:1"), refused("127.0.0.1:1")], ""),
    "connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1; nothing listens there: ",
  ],
  [new Error("timeout expired"), "timeout expired; a firewall that drops packets"],
  [
    new Error("Connection terminated due to connection timeout"),
    "Connection terminated due to connection timeout; ",
  ],
  [
    fatal("28P01", 'password authentication failed for user "u"'),
    'password authentication failed for user "u"; wrong user',
  ],
  [fatal("3D000", 'database "nodb" does not exist'), 'database "nodb" does not exist; create it'],
  [fatal("53300", "sorry, too many clients already"), "sorry, too many clients already; end some"],
  [
    new Error("The server does not support SSL connections"),
    "The server does not support SSL connections; TLS is ",
  ],
  [fatal("55000", 'database "d" is not currently accepting connections'), 'database "d" is not currently'],
])(
  "[cli] %s: one wording, with the place and what to change, also as the store tells it",
  (error, expected) => {
    const message = told(error) ?? "";
    expect(message.startsWith(`cannot connect to ${place}: ${expected}`), message).toBe(true);
    expect(told(asStoreError(error))).toBe(message);
    expect(String(asStoreError(error))).not.toContain("connection lost");
  },
);

test("[cli] a connection that broke was one; other errors stay what they are", () => {
  const broken = fatal("57P01", "terminating connection due to administrator command");
  expect(told(broken)).toBe(`${place} does not answer any more: ${broken.message}`);
  const forbidden = Object.assign(new Error("permission denied for schema public"), { code: "42501" });
  expect(told(forbidden)).toMatch(/^the database at .* refuses: permission denied .*; the role neither owns/);
  for (const other of [new Error("a bug"), asStoreError(Object.assign(new Error("x"), { code: "42P01" }))])
    expect(asAccessProblem(other, place)).toBe(other);
});

test("[docs] docs/operations.md has the sentences that the commands say, message by message", () => {
  const text = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const table = text.slice(text.indexOf("### Cannot connect"), text.indexOf("To the server:"));
  const plain = (cell: string) => cell.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
  const rows = [...table.matchAll(/^\| (`.*) \| (.*) \|$/gm)];
  expect(rows).toHaveLength(accessHints.length);
  for (const [, messages = "", cause = ""] of rows)
    for (const message of plain(messages).split(", "))
      expect(accessHints.find(({ says }) => says.test(message))?.hint, message).toBe(plain(cause));
});
