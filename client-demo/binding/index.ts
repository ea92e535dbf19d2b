/** Excalidraw on the SDK: everything that a product takes from here. README.md says how. */
export { type Binding, type BindingOptions, bindExcalidraw } from "./bind.ts";
export { elementChange, makeChange, type SceneChange } from "./difference.ts";
export { type NextFrame, pacedFrames } from "./frames.ts";
export { AssetRefused, type AssetStore, bindImages } from "./images.ts";
export { type InitialScene, initialScene } from "./initial.ts";
export { type Board, type Editor, type SceneElement, toWire } from "./model.ts";
export { bindPresence, type PresenceBinding, scrollTo, viewOf } from "./presence.ts";
export { toScene } from "./scene.ts";
export { findTextField, type TextField } from "./text-field.ts";
