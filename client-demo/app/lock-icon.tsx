/** A padlock, closed or open. */
export function LockIcon({ open = false }: { readonly open?: boolean }) {
  return (
    <svg className="lock-icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <rect x="3" y="7" width="10" height="7.5" rx="1.6" fill="currentColor" />
      <path
        d={open ? "M5 7V4.6a3 3 0 0 1 5.8-1" : "M5 7V4.6a3 3 0 0 1 6 0V7"}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.7"
        strokeLinecap="round"
      />
    </svg>
  );
}
