/** Why a version of a request that the document has not reached yet is refused; `path` is the field that names it. */
export function beyondCurrent(path: string, current: number) {
  return {
    code: "invalid",
    message: `expected at most ${current}, the current version`,
    details: { path },
  } as const;
}
