import type { Plugin } from "vite";

/**
 * Names in the page's head what its first script imports later, so that all of it is on its way before that script runs:
 * the modules given, and what these import statically.
 * @param soon what only some pages use, or most of them later: fetched after the rest, styles included.
 * @param spare what a page may need when there is no network any more: fetched when nothing else is, and kept.
 */
export function preload({
  first,
  soon,
  spare,
}: Record<"first" | "soon" | "spare", readonly string[]>): Plugin {
  return {
    name: "preload",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_html, { bundle = {} }) {
        const chunks = Object.values(bundle).filter((file) => file.type === "chunk");
        const named = new Set<string>();
        const links = (modules: readonly string[], attrs: Record<string, string>, rel = "modulepreload") => {
          const found: { tag: string; attrs: Record<string, string | boolean>; injectTo: "head" }[] = [];
          const add = (fileName: string, how: Record<string, string>): void => {
            named.add(fileName);
            const href = `/${fileName}`;
            found.push({
              tag: "link",
              attrs: { ...how, ...attrs, crossorigin: true, href },
              injectTo: "head",
            });
          };
          const want = (fileName: string): void => {
            const chunk = chunks.find((one) => one.fileName === fileName);
            if (chunk === undefined || chunk.isEntry || named.has(fileName)) return;
            add(fileName, { rel });
            for (const css of chunk.viteMetadata?.importedCss ?? [])
              add(css, { rel: "preload", as: "style" });
            for (const imported of chunk.imports) want(imported);
          };
          for (const module of modules) {
            const holder = chunks.find(({ moduleIds }) => moduleIds.some((id) => id.endsWith(module)));
            if (holder === undefined) throw new Error(`no chunk of ${module}`);
            want(holder.fileName);
          }
          return found;
        };
        return [
          ...links(first, {}),
          ...links(soon, { fetchpriority: "low" }),
          ...links(spare, {}, "prefetch"),
        ];
      },
    },
  };
}
