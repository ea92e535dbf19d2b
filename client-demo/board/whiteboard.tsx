/** The editor, bound to the board: everything that knows Excalidraw's own interface. */
import { Excalidraw, MainMenu, mutateElement, restoreElements } from "@excalidraw/excalidraw";
import type { AppState, ExcalidrawImperativeAPI, SocketId } from "@excalidraw/excalidraw/types";
import "@excalidraw/excalidraw/index.css";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type DocumentReplica, LockHeldError, type SessionInfo } from "../../client/index.ts";
import { looksOf, nameOf, selfOf } from "../app/people.ts";
import type { ThemeChoice } from "../app/theme.ts";
import {
  type AssetStore,
  type Binding,
  bindExcalidraw,
  bindImages,
  bindPresence,
  type Editor,
  findTextField,
  initialScene,
  type PresenceBinding,
  pacedFrames,
  scrollTo,
  viewOf,
} from "../binding/index.ts";
import { measureText } from "./measure-text.ts";
import { mayEdit } from "./use-board.ts";

export interface WhiteboardProps {
  /** The same for as long as it is mounted: an editor begins with its elements. */
  readonly board: DocumentReplica;
  readonly readOnly: boolean;
  readonly assets: AssetStore;
  readonly themeChoice: ThemeChoice;
  readonly theme: "light" | "dark";
  readonly followed: SessionInfo | undefined;
  readonly children?: ReactNode;
  onTheme(choice: ThemeChoice): void;
  onUnfollow(): void;
  onRefused(error: unknown, partly: boolean): void;
  /** How many images others cannot get yet. */
  onWaitingImages(count: number): void;
  onRefusedImage(reason: string): void;
  onReady(api: ExcalidrawImperativeAPI, binding: Binding): void;
}

export function Whiteboard(props: WhiteboardProps) {
  const { board, readOnly, theme, themeChoice, followed, children } = props;
  const [api, setApi] = useState<ExcalidrawImperativeAPI>();
  const presence = useRef<PresenceBinding>();
  const callbacks = useRef(props);
  callbacks.current = props;
  const [initial] = useState(() => initialScene(board));
  const initialData = useMemo(
    () => ({ elements: initial.elements as never, scrollToContent: true }),
    [initial],
  );

  useEffect(() => {
    if (api === undefined) return undefined;
    const editor = api as unknown as Editor;
    const nextFrame = pacedFrames();
    const binding = bindExcalidraw(editor, initial, {
      nextFrame,
      mutateElement: mutateElement as never,
      textField: findTextField(document),
      measureText: (text, scene) => measureText(restoreElements, text, scene),
      mayEdit: () => mayEdit(board),
      refusal: (element) => {
        // The text of a shape goes with it.
        const shape = board.get(element)?.containerId;
        const lock =
          board.locks.blocks(element) ?? (typeof shape === "string" ? board.locks.blocks(shape) : undefined);
        return lock && new LockHeldError("locked", lock);
      },
      onRefused: (error, partly) => callbacks.current.onRefused(error, partly),
    });
    const people = bindPresence(
      api as never,
      board,
      (others) => looksOf([selfOf(board), ...others]),
      nextFrame,
    );
    presence.current = people;
    const images = bindImages(
      api as never,
      board,
      callbacks.current.assets,
      () => mayEdit(board),
      (count) => callbacks.current.onWaitingImages(count),
      (reason) => callbacks.current.onRefusedImage(reason),
    );
    // A gesture is a step of its own, however soon it follows.
    const stopPressing = api.onPointerDown(() => board.undoStop());
    callbacks.current.onReady(api, binding);
    return () => {
      stopPressing();
      images.close();
      binding.close();
      people.close();
    };
  }, [api, board, initial]);

  // Following: the view moves with theirs, until the person moves it themselves (the editor says so).
  useEffect(() => {
    if (api === undefined) return undefined;
    const userToFollow =
      followed === undefined
        ? null
        : { socketId: followed.sessionId as SocketId, username: nameOf(followed) };
    api.updateScene({ appState: { userToFollow } as Partial<AppState> as AppState });
    if (followed === undefined) return undefined;
    const move = (): void => {
      const session = board.presence.others.get(followed.sessionId);
      if (session === undefined) callbacks.current.onUnfollow();
      const view = viewOf(session);
      if (view === undefined) return;
      const { width, height } = api.getAppState();
      api.updateScene({ appState: scrollTo(view, { width, height }) as unknown as AppState });
    };
    move();
    const stops = [
      board.on("presence", move),
      api.onUserFollow(({ action }) => {
        if (action === "UNFOLLOW") callbacks.current.onUnfollow();
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [api, board, followed]);

  const pointerMoved = useCallback(
    (update: Parameters<PresenceBinding["pointerMoved"]>[0]) => presence.current?.pointerMoved(update),
    [],
  );
  // The editor renders itself anew, all of it, whenever its children are others.
  const menu = useMemo(
    () => (
      <MainMenu>
        {children}
        <MainMenu.Separator />
        <MainMenu.DefaultItems.SaveAsImage />
        <MainMenu.DefaultItems.Export />
        <MainMenu.DefaultItems.SearchMenu />
        <MainMenu.DefaultItems.Help />
        <MainMenu.Separator />
        <MainMenu.DefaultItems.ToggleTheme
          allowSystemTheme
          theme={themeChoice}
          onSelect={(choice: ThemeChoice) => callbacks.current.onTheme(choice)}
        />
      </MainMenu>
    ),
    [children, themeChoice],
  );

  return (
    <Excalidraw
      excalidrawAPI={setApi}
      initialData={initialData}
      isCollaborating
      viewModeEnabled={readOnly}
      theme={theme}
      name={board.documentMetadata?.name ?? "board"}
      onPointerUpdate={pointerMoved}
      validateEmbeddable={false}
      aiEnabled={false}
      autoFocus
      handleKeyboardGlobally
      langCode="en"
      UIOptions={{
        canvasActions: { loadScene: false, clearCanvas: false, saveToActiveFile: false, toggleTheme: true },
      }}
    >
      {menu}
    </Excalidraw>
  );
}
