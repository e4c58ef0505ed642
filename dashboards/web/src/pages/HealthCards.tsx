import { Icon, type IconName } from "../components/Icon";
import { Sparkline } from "../components/Sparkline";
import { Tag } from "../components/Tags";
import type { Schemas } from "../data/api";
import { statsOf, type Trend, trendOf, type Value } from "../data/columns";
import { show } from "../data/format";
import { type Limit, limits, standing } from "../data/health";
import { useApiRows, useSystem } from "../data/queries";

/** A change of so many points in an hour is a trend, as it is for the trends that REST tells. */
const noticeable = 5;

export function HealthCards({ overview }: { overview: Schemas["Overview"] }) {
  const { system_health: health, trends, api_performance: api } = overview;
  const samples = useSystem({ last: 3600 }).data?.data ?? [];
  const column = (read: (s: Schemas["SystemSample"]) => number) => samples.map(read);
  const disk = column((s) => s.disk_usage_percent);
  const errors = useApiRows(3600).map((r) => r.errorPercent);
  const known = health.status !== "unknown";
  return (
    <div className="grid four">
      <Card
        name="CPU"
        value={known ? health.cpu_usage : null}
        limit={limits.cpu}
        trend={trends.cpu_trend}
        history={column((s) => s.cpu_percent)}
      />
      <Card
        name="Memory"
        value={known ? health.memory_usage : null}
        limit={limits.memory}
        trend={trends.memory_trend}
        history={column((s) => s.memory_percent)}
      />
      <Card
        name="Disk"
        value={known ? health.disk_usage : null}
        limit={limits.disk}
        trend={trendOf(disk, noticeable)}
        history={disk}
      />
      <Card
        name="API errors"
        value={api.total_requests > 0 ? api.error_rate : null}
        limit={limits.errors}
        trend={trendOf(errors, noticeable)}
        history={errors}
        most={2 * limits.errors.at}
        unknown="No requests"
      />
    </div>
  );
}

const arrows: Record<Trend, { icon: IconName; word: string }> = {
  increasing: { icon: "up", word: "rising" },
  decreasing: { icon: "down", word: "falling" },
  stable: { icon: "flat", word: "steady" },
};

interface CardProps {
  name: string;
  value: number | null;
  limit: Limit;
  trend: Trend;
  history: readonly Value[];
  most?: number;
  unknown?: string;
}

function Card({ name, value, limit, trend, history, most = 100, unknown = "Unknown" }: CardProps) {
  const { tone, text } = standing(value, limit);
  const { mean, most: peak } = statsOf(history);
  const { icon, word } = arrows[trend];
  return (
    <section className={`panel health ${tone}`} aria-label={name}>
      <h2>{name}</h2>
      <Tag tone={value === null ? "plain" : tone}>{value === null ? unknown : text}</Tag>
      <p className="value">{show(value, "percent")}</p>
      <p className="trend">
        <Icon name={icon} /> {word}
      </p>
      <Sparkline values={history} most={most} limit={limit.at} />
      <p className="note">
        Mean {show(mean, "percent")} · peak {show(peak, "percent")} · limit {limit.at} %
      </p>
    </section>
  );
}
