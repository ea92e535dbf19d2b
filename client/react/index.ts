/** React hooks for a document of the SDK. A component is rendered again only when what it asked for is another. */
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useCallback,
  useContext,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "react";
import type { Properties } from "../../shared/document/json.ts";
import type { ConflictInfo, LockInfo, PresenceState, SessionInfo } from "../../shared/protocol/messages.ts";
import type { ConnectionState, DocumentEvents, DocumentReplica } from "../index.ts";
import { sameMembers, storeOf } from "./store.ts";

const DocumentContext = createContext<DocumentReplica<object> | undefined>(undefined);

/** What `DocumentProvider` takes. */
export interface DocumentProviderProps<Element extends object> {
  /** Opened and closed by the application. */
  readonly document: DocumentReplica<Element>;
  readonly children?: ReactNode;
}

/** Gives a document to the hooks below it. */
export function DocumentProvider<Element extends object>({
  document,
  children,
}: DocumentProviderProps<Element>): ReactElement {
  const value = document as unknown as DocumentReplica<object>;
  return createElement(DocumentContext.Provider, { value }, children);
}

/**
 * The document of the nearest provider.
 * @throws Error without one.
 */
export function useDocument<Element extends object = Properties>(): DocumentReplica<Element> {
  const document = useContext(DocumentContext);
  if (document === undefined) throw new Error("no DocumentProvider above this component");
  return document as unknown as DocumentReplica<Element>;
}

/** An element; undefined: there is none. Rendered again when it changes, and for no other. */
export function useElement<Element extends object = Properties>(element: string): Element | undefined {
  const document = useDocument<Element>();
  const subscribe = useCallback(
    (changed: () => void) =>
      document.on("change", ({ elements }) => {
        if (elements.includes(element)) changed();
      }),
    [document, element],
  );
  const get = (): Element | undefined => document.get(element);
  return useSyncExternalStore(subscribe, get, get);
}

/** All elements by id: another map after each change. */
export function useElements<Element extends object = Properties>(): ReadonlyMap<string, Element>;
/**
 * What a function makes of the elements. Rendered again when that is another.
 * @param isEqual default: the same, or arrays, maps or objects of the same members.
 */
export function useElements<Selection, Element extends object = Properties>(
  select: (elements: ReadonlyMap<string, Element>) => Selection,
  isEqual?: (a: Selection, b: Selection) => boolean,
): Selection;
export function useElements(
  select?: (elements: ReadonlyMap<string, object>) => unknown,
  isEqual: (a: never, b: never) => boolean = sameMembers,
): unknown {
  const document = useDocument<object>();
  const store = storeOf(document);
  const last = useRef<{ store: unknown; revision: number; select: unknown; value: unknown }>(undefined);
  const get = (): unknown => {
    if (select === undefined) return store.elements;
    const { revision } = store;
    const before = last.current;
    if (before?.store === store && before.revision === revision && before.select === select)
      return before.value;
    const selected = select(document.elements);
    const same = before !== undefined && isEqual(before.value as never, selected as never);
    const value = same ? before.value : selected;
    last.current = { store, revision, select, value };
    return value;
  };
  return useSyncExternalStore(useEvent(document, "change"), get, get);
}

/** Everybody else's sessions (another array when somebody came, left or shows something else), and one's own state. */
export function usePresence(): {
  readonly others: readonly SessionInfo[];
  /** See `Presence.set`. */
  readonly set: (state: PresenceState) => void;
} {
  const document = useDocument<object>();
  const get = (): readonly SessionInfo[] => storeOf(document).others;
  const others = useSyncExternalStore(useEvent(document, "presence"), get, get);
  const set = useCallback((state: PresenceState) => document.presence.set(state), [document]);
  return useMemo(() => ({ others, set }), [others, set]);
}

/** Where the connection stands. */
export function useConnection(): ConnectionState {
  const document = useDocument<object>();
  const get = (): ConnectionState => document.connection;
  return useSyncExternalStore(useEvent(document, "status"), get, get);
}

/** The version that has arrived, and how many operations are not acknowledged. */
export function useProgress(): { readonly version: number; readonly pendingCount: number } {
  const document = useDocument<object>();
  const get = (): { readonly version: number; readonly pendingCount: number } => storeOf(document).progress;
  return useSyncExternalStore(useEvent(document, "progress"), get, get);
}

/** Every active lock. */
export function useLocks(): readonly LockInfo[] {
  const document = useDocument<object>();
  const get = (): readonly LockInfo[] => document.locks.list;
  return useSyncExternalStore(useEvent(document, "locks"), get, get);
}

/** The unresolved conflict records. */
export function useConflicts(): readonly ConflictInfo[] {
  const document = useDocument<object>();
  const get = (): readonly ConflictInfo[] => document.conflicts.unresolved;
  return useSyncExternalStore(useEvent(document, "conflicts"), get, get);
}

/** For buttons: whether there is something to undo or redo, and how. */
export function useUndo(): {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  readonly undo: () => boolean;
  readonly redo: () => boolean;
  readonly undoStop: () => void;
} {
  const document = useDocument<object>();
  const subscribe = useEvent(document, "undo");
  const getUndo = (): boolean => document.canUndo;
  const getRedo = (): boolean => document.canRedo;
  const canUndo = useSyncExternalStore(subscribe, getUndo, getUndo);
  const canRedo = useSyncExternalStore(subscribe, getRedo, getRedo);
  return useMemo(
    () => ({
      canUndo,
      canRedo,
      // A button may be pressed before it is rendered as disabled.
      undo: () => document.canUndo && document.undo(),
      redo: () => document.canRedo && document.redo(),
      undoStop: () => document.undoStop(),
    }),
    [document, canUndo, canRedo],
  );
}

function useEvent(
  document: DocumentReplica<object>,
  name: keyof DocumentEvents,
): (changed: () => void) => () => void {
  return useCallback((changed: () => void) => document.on(name, () => changed()), [document, name]);
}
