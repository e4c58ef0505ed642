import { ChartPanel } from "../charts/ChartPanel";
import { panelById } from "../charts/panels";

/** The charts that this browser pinned to the overview. */
export default function Pinned({ ids }: { ids: readonly string[] }) {
  return (
    <div className="grid">
      {ids.map((id) => {
        const panel = panelById(id);
        return panel && <ChartPanel key={id} panel={panel} />;
      })}
    </div>
  );
}
