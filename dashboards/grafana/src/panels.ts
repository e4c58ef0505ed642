// The few kinds of panels that the dashboards are made of. A panel cannot be made
// without a unit, a description and a legend for each of its queries.
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import type { Threshold } from './rules.ts';

/** The data source that every dashboard lets its reader choose. */
export const source = { type: 'prometheus', uid: '${datasource}' };

export interface Query {
  expr: string;
  /** What the series is called, with {{label}} for its labels. */
  legend: string;
}

export interface Spec {
  title: string;
  /** What it shows and what to make of it. */
  description: string;
  /** One of Grafana's units. */
  unit: string;
  queries: Query[];
  /** Where an alert is due. */
  threshold?: Threshold;
  /** Columns of 24, rows. */
  width?: number;
  height?: number;
  min?: number;
  max?: number;
  decimals?: number;
  stacked?: boolean;
}

type AnyBuilder = timeseries.PanelBuilder | stat.PanelBuilder | table.PanelBuilder;

const queryBuilder = (q: Query, index: number) =>
  new prometheus.DataqueryBuilder()
    .datasource(source)
    .expr(q.expr)
    .legendFormat(q.legend)
    .refId(String.fromCharCode(65 + index));

// The colours of what is well, and of what is past the threshold of the rule's
// severity.
const wellColour = 'green';
const severityColours: Record<string, string> = { critical: 'red', high: 'orange', medium: 'yellow', low: 'blue' };

function steps(threshold: Threshold | undefined): dashboard.Threshold[] {
  const base = { value: null, color: wellColour } as unknown as dashboard.Threshold;
  if (!threshold) return [base];
  const colour = severityColours[threshold.severity] ?? 'red';
  return [base, { value: threshold.value, color: colour }];
}

function finish<B extends AnyBuilder>(builder: B, spec: Spec): B {
  builder.title(spec.title).description(spec.description).datasource(source).unit(spec.unit);
  builder.thresholds(
    new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps(steps(spec.threshold)),
  );
  builder.span(spec.width ?? 12).height(spec.height ?? 8);
  if (spec.min !== undefined) builder.min(spec.min);
  if (spec.max !== undefined) builder.max(spec.max);
  if (spec.decimals !== undefined) builder.decimals(spec.decimals);
  return builder;
}

/** A line for each series over time, with the threshold of its alert. */
export function lines(spec: Spec): timeseries.PanelBuilder {
  const builder = finish(new timeseries.PanelBuilder(), spec)
    .lineWidth(1)
    .fillOpacity(spec.stacked ? 25 : 8)
    .showPoints(common.VisibilityMode.Never)
    .spanNulls(false)
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending))
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.Table)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(['lastNotNull', 'max']),
    )
    .targets(spec.queries.map(queryBuilder));
  if (spec.stacked) builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  if (spec.threshold) {
    builder.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Line));
  }
  return builder;
}

/** The present value, coloured by the threshold of its alert. */
export function value(spec: Spec): stat.PanelBuilder {
  return finish(new stat.PanelBuilder(), { width: 4, height: 4, ...spec })
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(common.BigValueGraphMode.Area)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false))
    .targets(spec.queries.map(queryBuilder));
}

/** The present values of one query, a row for each of its series. */
export function rows(spec: Spec, hidden: string[] = []): table.PanelBuilder {
  return finish(new table.PanelBuilder(), { width: 24, ...spec })
    .withTransformation({
      id: 'organize',
      options: { excludeByName: Object.fromEntries(['Time', '__name__', ...hidden].map((name) => [name, true])) },
    })
    .targets(spec.queries.map((q, i) => queryBuilder(q, i).instant().format(prometheus.PromQueryFormat.Table)));
}
