/** The embedded database cannot run here as things are; the message says what a person has to change. */
export class EmbeddedProblem extends Error {
  override readonly name = "EmbeddedProblem";
}

const reasons: { readonly [code: string]: string } = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "it is read-only",
  EACCES: "its permissions forbid it",
  EPERM: "its permissions forbid it",
};

/** What a folder's disk or permissions refuse, as a problem that names them; any other error unchanged. */
export function asProblem(error: unknown, dir: string): unknown {
  const code = error instanceof Error && "syscall" in error && "code" in error ? String(error.code) : "";
  if (!Object.hasOwn(reasons, code)) return error;
  return new EmbeddedProblem(
    `cannot write to ${dir}: ${reasons[code]}; free it, or choose another --data-dir`,
    {
      cause: error,
    },
  );
}
