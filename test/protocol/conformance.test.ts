/** docs/protocol.md against the tests and the code: no rule without a test, no test without a rule. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { closeCodes, errorCodes } from "../../shared/protocol/codes.ts";
import { smallMessages } from "../../shared/protocol/read.ts";
import { serverMessages } from "../../shared/protocol/server-schema.ts";

const document = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
const marks = new Set([...document.matchAll(/`\[([a-z-]+-\d+)\]`/g)].map((match) => match[1] ?? ""));

/** Ids at the beginning of the titles of a folder's tests. */
function titled(folder: string): Set<string> {
  const url = new URL(`../${folder}/`, import.meta.url);
  const ids = new Set<string>();
  for (const file of readdirSync(url).filter((name) => name.endsWith(".test.ts"))) {
    const text = readFileSync(new URL(file, url), "utf8");
    for (const [, brackets = ""] of text.matchAll(/["`]((?:\[[a-zA-Z/-]+-\d+\] )+)/g))
      for (const [, id = ""] of brackets.matchAll(/\[([^\]]+)\]/g)) ids.add(id);
  }
  return ids;
}
const ofProtocol = titled("protocol");
const ofHttp = titled("http");

describe("docs/protocol.md", () => {
  it("[conformance-1] each of its marks is in the title of a test", () => {
    expect(marks.size).toBeGreaterThan(80);
    expect([...marks].filter((mark) => !ofProtocol.has(mark) && !ofHttp.has(mark))).toEqual([]);
  });

  it("[conformance-2] each id of test/protocol is one of its marks", () => {
    // These are about the published files themselves, not about the wire.
    const rules = [...ofProtocol].filter((id) => !/^(conformance|schema)-/.test(id));
    expect(rules.length).toBeGreaterThan(80);
    expect(rules.filter((id) => !marks.has(id))).toEqual([]);
  });

  it("[conformance-3] it names every message, every close code and every error code of the wire", () => {
    const named = (word: string) => new RegExp(`["\`{]${word}\\b`).test(document);
    const messages = [...Object.keys(smallMessages), "submit", ...Object.keys(serverMessages)];
    expect(messages.filter((type) => !named(type))).toEqual([]);
    const codes = Object.values(closeCodes).map(({ code }) => String(code));
    expect(codes.filter((code) => !new RegExp(`(\\| |· )${code}\\b`).test(document))).toEqual([]);
    const ofRest = ["precondition_required", "taken", "version_mismatch"];
    const errors = Object.keys(errorCodes).filter((code) => !ofRest.includes(code));
    expect(errors.filter((code) => !named(code))).toEqual([]);
  });
});
