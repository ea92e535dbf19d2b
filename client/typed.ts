/** Types for documents whose elements have a known shape. They cost nothing at run time, and check nothing there. */

/** What may be written to an element of one of these shapes: some of its properties. */
export type ChangesOf<Element> = Element extends unknown ? Partial<Element> : never;

/** The names of properties whose values are of a kind. Any name where names are not known. */
export type NamesOf<Element, Kind> = Element extends unknown
  ? string extends keyof Element
    ? string
    : {
        [Name in keyof Element & string]-?: NonNullable<Element[Name]> extends Kind ? Name : never;
      }[keyof Element & string]
  : never;

/** The names of properties that may be absent. */
export type RemovableNamesOf<Element> = Element extends unknown
  ? string extends keyof Element
    ? string
    : {
        [Name in keyof Element & string]-?: Record<never, never> extends Pick<Element, Name> ? Name : never;
      }[keyof Element & string]
  : never;

/** What an array property holds. */
export type ItemsOf<Element, Name extends string> = Element extends unknown
  ? Name extends keyof Element
    ? NonNullable<Element[Name]> extends readonly (infer Item)[]
      ? Item
      : string extends keyof Element
        ? Element[Name]
        : never
    : never
  : never;
