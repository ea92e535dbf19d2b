import { useEffect, useState } from "react";
import type { DocumentReplica } from "../../client/index.ts";
import { Comings } from "./comings.ts";

const shownForMs = 6_000;

/** For some seconds, who came or left. Beside the connection's state: it lies over nothing that people use. */
export function ComingsLine({ board }: { readonly board: DocumentReplica }) {
  const [sentence, setSentence] = useState("");
  useEffect(() => {
    const comings = new Comings({
      others: () => board.presence.others.values(),
      self: () => board.user?.id,
      tell: setSentence,
    });
    const stop = board.on("presence", ({ joined, left }) => {
      if (joined.length + left.length > 0) comings.changed();
    });
    return () => {
      stop();
      comings.close();
    };
  }, [board]);
  useEffect(() => {
    if (sentence === "") return undefined;
    const timer = setTimeout(() => setSentence(""), shownForMs);
    return () => clearTimeout(timer);
  }, [sentence]);
  return (
    <span id="comings" role="status" title={sentence}>
      {sentence}
    </span>
  );
}
