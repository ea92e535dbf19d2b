import type { DocumentMetadata } from "../../client/index.ts";

export type ConflictPolicy = DocumentMetadata["conflictPolicy"];

/** What becomes of two people's changes to one thing at once, in the words of who draws. */
const policies: Readonly<Record<ConflictPolicy, { readonly label: string; readonly text: string }>> = {
  lww: {
    label: "The later change wins",
    text: "Everyone keeps drawing; the last change stays.",
  },
  merge: {
    label: "Both changes are merged",
    text: "Text and lists keep both changes; for colours and positions the later one wins.",
  },
  manual: {
    label: "Somebody decides",
    text: "The second change waits, beside the first, until one of you chooses.",
  },
  strict: {
    label: "The first change wins",
    text: "The second change is refused, even if made offline, and its author is told.",
  },
};

const order: readonly ConflictPolicy[] = ["lww", "merge", "manual", "strict"];

export const policyLabel = (policy: ConflictPolicy): string => policies[policy].label;

/** A choice among the policies, each with what it means. */
export function PolicyChoice(props: {
  readonly policy: ConflictPolicy;
  readonly legend: string;
  onPolicy(policy: ConflictPolicy): void;
}) {
  const { policy, legend, onPolicy } = props;
  return (
    <fieldset className="policies">
      <legend>{legend}</legend>
      {order.map((value) => (
        <label key={value}>
          <input
            type="radio"
            name="policy"
            value={value}
            checked={value === policy}
            onChange={() => onPolicy(value)}
          />
          <span>
            <strong>{policies[value].label}</strong>
            <span className="quiet">{policies[value].text}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
