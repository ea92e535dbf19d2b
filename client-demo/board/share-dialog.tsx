import { useMemo, useState } from "react";
import { renderSVG } from "uqr";
import { Dialog } from "../app/dialog.tsx";

/** The board's link, to copy and to scan. */
export function ShareDialog(props: { readonly viewersOnly: boolean; onClose(): void }) {
  const [copied, setCopied] = useState(false);
  const [address] = useState(() => location.href);
  const picture = useMemo(
    () => `data:image/svg+xml,${encodeURIComponent(renderSVG(address, { border: 2 }))}`,
    [address],
  );
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(address);
      setCopied(true);
    } catch {
      document.querySelector<HTMLInputElement>("#share-link")?.select(); // Not allowed here, or no secure context.
    }
  };
  return (
    <Dialog title="Invite others" onClose={props.onClose}>
      <p>
        Whoever opens this link{" "}
        {props.viewersOnly ? "can look at the board." : "joins the board and may edit it."}
      </p>
      <p className="row">
        <input
          id="share-link"
          readOnly
          aria-label="Link to this board"
          value={address}
          onFocus={(event) => event.target.select()}
        />
        <button type="button" className="primary" onClick={() => void copy()}>
          {copied ? "Copied" : "Copy link"}
        </button>
      </p>
      <img
        className="qr"
        src={picture}
        width={208}
        height={208}
        alt="QR code of the link, for a phone's camera"
      />
    </Dialog>
  );
}
