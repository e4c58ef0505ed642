import { clock } from "../data/format";
import { useConnection } from "../data/queries";
import { useNow } from "./Ago";

/** Whether what is shown is current. */
export function Connection() {
  const { stream, offline, heard } = useConnection();
  useNow();
  if (offline) {
    return (
      <span className="connection offline" role="status">
        <Dot shape="M2 2l6 6M8 2l-6 6" /> Offline{heard > 0 && `, last updated ${clock(heard)}`}
      </span>
    );
  }
  const live = stream === "live";
  return (
    <span className={live ? "connection live" : "connection"} role="status" aria-live="off">
      <Dot shape={live ? "M5 2a3 3 0 1 0 .01 0" : "M2 5h6"} />
      {live ? "Live" : "Polling every 30 s"}
      {heard > 0 && `, updated ${clock(heard)}`}
    </span>
  );
}

const Dot = ({ shape }: { shape: string }) => (
  <svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" focusable="false">
    <path d={shape} fill="currentColor" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
  </svg>
);

/** Says at the top of the page that nothing is heard any more. */
export function OfflineBanner() {
  const { offline, heard } = useConnection();
  if (!offline) return null;
  return (
    <div className="banner bad" role="alert">
      <strong>llmwatch cannot be reached.</strong>
      <span>
        {heard > 0
          ? `What you see is from ${clock(heard)}. The page goes on trying.`
          : "The page goes on trying."}
      </span>
    </div>
  );
}
