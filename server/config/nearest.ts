/** What a name that nobody has was probably meant to be. */
import { closestMatch } from "leven";

/** The known name that differs least; undefined when none is close. Two letters that changed places count as two. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const maxDistance = name.length < 4 ? 1 : Math.max(2, Math.ceil(name.length / 2) - 1);
  return closestMatch(name, [...known], { maxDistance });
}
