import { useState } from "react";
import { counted } from "../data/format";
import { LogList } from "./LogList";
import { useTail } from "./useTail";

/** Entries as they come. While one reads, by scrolling, opening or moving through them, the list stands still. */
export function Following({ filters }: { filters: Record<string, string> }) {
  const tail = useTail(filters);
  const [reading, setReading] = useState(false);
  const [shown, setShown] = useState(tail);
  const [round, setRound] = useState(0);
  if (!reading && shown !== tail) setShown(tail);
  const waiting = tail.arrived - shown.arrived;
  const catchUp = () => {
    setReading(false);
    setRound(round + 1); // A list of its own: nothing is open in it.
    window.scrollTo(0, 0);
  };
  return (
    <section className="panel" aria-label="Log entries">
      <p className="calm" role="status">
        {tail.state === "open"
          ? "Following: the newest entries come on top."
          : "Waiting for the stream of entries…"}
        {tail.dropped > 0 &&
          ` ${counted(tail.dropped, "entry was", "entries were")} left out because this page was too slow.`}
      </p>
      {reading && waiting > 0 && (
        <div className="held">
          <button type="button" className="button primary" onClick={catchUp}>
            Show {counted(waiting, "newer entry", "newer entries")}
          </button>
        </div>
      )}
      {shown.entries.length > 0 && (
        <LogList
          key={round}
          entries={shown.entries}
          onEnd={() => {}}
          onReading={setReading}
          end={`${counted(shown.arrived, "entry", "entries")} since you follow.`}
        />
      )}
    </section>
  );
}
