/** Any value that JSON can express. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The properties of one element by name. Treated as immutable: a change makes a new object. */
export type Properties = { readonly [name: string]: Json };

/** A document's state: element id → properties. The map is mutable, its values never are. */
export type Elements = Map<string, Properties>;
