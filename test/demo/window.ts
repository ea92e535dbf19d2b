/** What the page leaves in its window for tests and curious people. */
import type { DocumentReplica } from "../../client/index.ts";
import type { SceneElement } from "../../client-demo/binding/index.ts";

declare global {
  interface Window {
    aetherflow?: {
      readonly board: DocumentReplica;
      readonly editor: {
        readonly id: string;
        getSceneElements(): readonly SceneElement[];
        getAppState(): Record<string, unknown>;
        updateScene(scene: Record<string, unknown>): void;
        getFiles(): Record<string, unknown>;
      };
    };
  }
}
