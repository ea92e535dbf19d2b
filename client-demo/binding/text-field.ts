/**
 * The field in which a text is being edited. The editor writes the field's whole value into the scene with each key, so
 * what others type into the same text has to get into the field: as an edit, with the caret kept where it was.
 */
import { editBetween, placeAfter } from "./merge-text.ts";

/** An open text field. */
export interface TextField {
  readonly value: string;
  /** An input method is composing: writing into the field now would break it. */
  readonly composing: boolean;
  /** Makes it hold another text, as if it had been typed. */
  replace(text: string): void;
}

/** Finds the editor's text field in a page. */
export function findTextField(root: ParentNode): () => TextField | undefined {
  const composing = new WeakSet<HTMLTextAreaElement>();
  const known = new WeakSet<HTMLTextAreaElement>();
  return () => {
    const field = root.querySelector<HTMLTextAreaElement>("textarea.excalidraw-wysiwyg");
    if (field === null) return undefined;
    if (!known.has(field)) {
      known.add(field);
      field.addEventListener("compositionstart", () => composing.add(field));
      field.addEventListener("compositionend", () => composing.delete(field));
    }
    return {
      value: field.value,
      composing: composing.has(field),
      replace: (text) => {
        const edit = editBetween(field.value, text);
        const [start, end] = [field.selectionStart, field.selectionEnd].map((at) => placeAfter(at, edit));
        field.value = text;
        field.setSelectionRange(start ?? text.length, end ?? text.length);
        field.dispatchEvent(new Event("input", { bubbles: true }));
      },
    };
  };
}
