import { ChartPanel } from "../charts/ChartPanel";
import { panels } from "../charts/panels";
import { RangePicker } from "../components/RangePicker";
import { View } from "../components/Shell";

export default function System() {
  return (
    <View title="System" tools={<RangePicker />}>
      <div className="grid five">
        {panels.system.map((panel) => (
          <ChartPanel key={panel.id} panel={panel} />
        ))}
      </div>
    </View>
  );
}
