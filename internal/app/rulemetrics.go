package app

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// ruleCollector tells of each rule whether it can be evaluated, when it is scraped.
// While the metrics server does not answer it tells nothing.
type ruleCollector struct {
	rules  func(ctx context.Context) ([]metrics.EvaluatedRule, error)
	logger *slog.Logger
}

var ruleFailingDesc = prometheus.NewDesc("llmwatch_rule_evaluation_failing",
	"Whether the last evaluation of a rule failed (1) or not (0), for at most 1000 rules, those that fail first.", []string{"group", "rule"}, nil)

// Bounds of what is told of rules; they may come from outside.
const (
	maxRulesTold = 1000
	maxRuleLabel = 128
)

// Describe implements prometheus.Collector.
func (c *ruleCollector) Describe(descs chan<- *prometheus.Desc) { descs <- ruleFailingDesc }

// Collect implements prometheus.Collector.
func (c *ruleCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	rules, err := c.rules(ctx)
	if err != nil {
		c.logger.DebugContext(ctx, "the state of the rules cannot be told", "err", err)
		return
	}
	told := map[[2]string]bool{} // Several rules of a group may have one name.
	for _, value := range []float64{1, 0} {
		for i := range rules {
			r := &rules[i]
			key := [2]string{alert.PlainText(r.Group, maxRuleLabel), alert.PlainText(r.Name, maxRuleLabel)}
			if r.Fails() != (value == 1) || told[key] || len(told) == maxRulesTold {
				continue
			}
			told[key] = true
			out <- prometheus.MustNewConstMetric(ruleFailingDesc, prometheus.GaugeValue, value, key[0], key[1])
		}
	}
}
