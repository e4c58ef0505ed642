package metrics

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// SystemSample is the state of the machine in one collection interval. Where
// several hosts are asked for at once, percentages are means over the hosts and
// everything else is their sum.
type SystemSample struct {
	Timestamp Time `json:"timestamp"`
	// CPU is busy time in percent of all processors' time in the interval.
	CPU    float64 `json:"cpu_percent"`
	Memory float64 `json:"memory_percent"`
	// Disk is the used share of the root filesystem in percent.
	Disk float64 `json:"disk_usage_percent"`
	// Sent and Received count bytes since the machine was started.
	Sent        int64 `json:"network_bytes_sent"`
	Received    int64 `json:"network_bytes_recv"`
	Connections int64 `json:"active_connections"`
}

// At is the sample's time.
func (s SystemSample) At() time.Time { return s.Timestamp.Time }

// systemPiece bounds what one query reads and holds in memory.
const systemPiece = 24 * time.Hour

// System returns the samples of the window before a moment, oldest first, one for
// each collection interval that has one. An empty instance means all hosts.
func (c *Client) System(ctx context.Context, at time.Time, window time.Duration, instance string) ([]SystemSample, error) {
	selector := selectSystem(instance, seriesCPU, seriesMemory, seriesDisk, seriesSent, seriesReceived, seriesConnections)
	interval := model.Time(c.interval.Milliseconds())
	end := model.TimeFromUnixNano(at.UnixNano())
	rows := map[int64]*systemRow{}
	for from := end.Add(-window); from < end; {
		// No interval is read in two pieces, or its hosts would count twice.
		to := min(from.Add(max(systemPiece, c.interval))/interval*interval, end)
		matrix, err := c.samples(ctx, selector, to.Time(), to.Sub(from))
		if err != nil {
			return nil, err
		}
		for _, series := range matrix {
			addSystemSeries(rows, series, from, c.interval)
		}
		from = to
	}

	dropUnfinished(rows)
	out := make([]SystemSample, 0, len(rows))
	for _, row := range rows {
		if sample, ok := row.sample(); ok {
			out = append(out, sample)
		}
	}
	slices.SortFunc(out, func(a, b SystemSample) int { return a.Timestamp.Compare(b.Timestamp.Time) })

	return out, nil
}

// Instances returns the hosts with samples in the window before a moment, in order.
func (c *Client) Instances(ctx context.Context, at time.Time, window time.Duration) ([]string, error) {
	vector, err := c.vector(ctx, "group by ("+labelInstance+") (present_over_time("+seriesCPU+rangeOf(window)+"))", at, window)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(vector))
	for _, s := range vector {
		if name := string(s.Metric[labelInstance]); name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)

	return out, nil
}

// dropUnfinished leaves out the newest interval while it lacks a series that the
// one before had: the rules of a group are stored one after the other.
func dropUnfinished(rows map[int64]*systemRow) {
	slots := slices.Sorted(maps.Keys(rows))
	if n := len(slots); n > 1 && len(rows[slots[n-1]].values) < len(rows[slots[n-2]].values) {
		delete(rows, slots[n-1])
	}
}

// selectSystem selects recorded series by name and, if given, by instance.
func selectSystem(instance string, names ...string) string {
	matchers := fmt.Sprintf("__name__=~%q", strings.Join(names, "|"))
	if instance != "" {
		matchers += "," + labelInstance + "=" + strconv.Quote(instance)
	}

	return "{" + matchers + "}"
}

// mean accumulates the value of one series name over several hosts.
type mean struct {
	sum float64
	n   float64
}

// plus leaves out what is not a number: one host's would hide all others.
func (m mean) plus(x float64) mean {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return m
	}

	return mean{m.sum + x, m.n + 1}
}

func (m mean) value() float64 { return round(m.sum / m.n) }

// systemRow gathers the values of one collection interval by series name.
type systemRow struct {
	at     model.Time
	values map[string]mean
}

// sample reports false for a row that cannot tell CPU and memory, which is so
// before the second scrape after a start.
func (r *systemRow) sample() (SystemSample, bool) {
	cpu, memory := r.values[seriesCPU], r.values[seriesMemory]

	return SystemSample{
		Timestamp:   Time{r.at.Time()},
		CPU:         cpu.value(),
		Memory:      memory.value(),
		Disk:        r.values[seriesDisk].value(),
		Sent:        whole(r.values[seriesSent].sum),
		Received:    whole(r.values[seriesReceived].sum),
		Connections: whole(r.values[seriesConnections].sum),
	}, cpu.n > 0 && memory.n > 0
}

// slotOf numbers the collection intervals. Each ends with its last moment, as
// range selectors do.
func slotOf(at model.Time, interval time.Duration) int64 {
	return (int64(at) - 1) / interval.Milliseconds()
}

// addSystemSeries adds the newest sample of each interval to the interval's
// row. Servers before Prometheus 3 also answer the sample at the very moment
// that a range begins after.
func addSystemSeries(rows map[int64]*systemRow, series *model.SampleStream, after model.Time, interval time.Duration) {
	name := string(series.Metric[model.MetricNameLabel])
	for i, pair := range series.Values {
		slot := slotOf(pair.Timestamp, interval)
		if pair.Timestamp <= after || i+1 < len(series.Values) && slotOf(series.Values[i+1].Timestamp, interval) == slot {
			continue
		}
		row := rows[slot]
		if row == nil {
			row = &systemRow{values: make(map[string]mean, 6)}
			rows[slot] = row
		}
		row.at = max(row.at, pair.Timestamp)
		row.values[name] = row.values[name].plus(float64(pair.Value))
	}
}

// finite makes a number fit for JSON: what is none is 0.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}

	return x
}

// round keeps two decimals: more would claim a precision that nothing here has.
// What is not a number is 0, as JSON knows no other.
func round(x float64) float64 {
	rounded := math.Round(x*100) / 100
	if math.IsNaN(rounded) || math.IsInf(rounded, 0) {
		return 0
	}

	return rounded
}

// Newest returns when the newest sample of any host was recorded, the zero time
// where none is recent.
func (c *Client) Newest(ctx context.Context) (time.Time, error) {
	vector, err := c.vector(ctx, "max(timestamp("+seriesCPU+"))", c.now(), 0)
	if err != nil || len(vector) == 0 {
		return time.Time{}, err
	}

	return time.UnixMilli(int64(1000 * float64(vector[0].Value))), nil
}
