/** The embedded database cannot run here as things are; the message says what a person has to change. */
export class EmbeddedProblem extends Error {
  override readonly name = "EmbeddedProblem";
}
