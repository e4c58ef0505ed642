import { ChartPanel } from "../charts/ChartPanel";
import { panels } from "../charts/panels";
import { RangeTools } from "../components/RangeTools";
import { View } from "../components/Shell";

export default function System() {
  return (
    <View title="System" tools={<RangeTools kind="system" />}>
      <div className="grid five">
        {panels.system.map((panel) => (
          <ChartPanel key={panel.id} panel={panel} />
        ))}
      </div>
    </View>
  );
}
