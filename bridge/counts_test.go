package bridge

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"llmwatch/bridge/alert"
)

// countedForm is the part of an overview that counts alerts.
type countedForm struct {
	Data struct {
		Alerts struct {
			Total      int            `json:"total_active"`
			BySeverity map[string]int `json:"by_severity"`
			Critical   int            `json:"critical_count"`
			High       int            `json:"high_count"`
		} `json:"alerts"`
	} `json:"data"`
}

// openAlerts counts the alerts that are not resolved, by severity, as each path
// tells of them; the key "total" stands for a path that tells no severity.
func (b *bench) openAlerts() map[string]map[string]int {
	b.t.Helper()

	surfaces := map[string]map[string]int{}
	var overview countedForm
	b.get("/dashboard/overview", &overview)
	o := overview.Data.Alerts
	surfaces["overview"] = o.BySeverity
	surfaces["overview, named"] = map[string]int{"total": o.Total, "critical": o.Critical, "high": o.High}
	var health healthForm
	b.get("/health", &health)
	surfaces["health"] = map[string]int{"total": health.Services["alert_manager"].Active}
	var list alertsForm
	b.get("/alerts", &list)
	surfaces["list"] = map[string]int{}
	for _, a := range list.Data {
		surfaces["list"][a.Severity]++
	}
	rows, err := csv.NewReader(strings.NewReader(b.answers(request(b.t, http.MethodGet, Base+"/export/alerts?status=triggered,active,acknowledged"), http.StatusOK, nil))).ReadAll()
	if err != nil {
		b.t.Fatal(err)
	}
	surfaces["export"] = map[string]int{}
	for _, row := range rows[1:] {
		surfaces["export"][row[slices.Index(rows[0], "severity")]]++
	}
	var v2 []map[string]any
	b.answers(request(b.t, http.MethodGet, v2Alerts), http.StatusOK, &v2)
	surfaces["v2"] = map[string]int{"total": len(v2)}

	return surfaces
}

func TestOpenAlertsAreCountedAlikeEverywhere(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	expect := func(bySeverity map[string]int) {
		t.Helper()
		b.pass(healthFresh)
		total := 0
		for _, n := range bySeverity {
			total += n
		}
		want := map[string]map[string]int{
			"overview": bySeverity, "list": bySeverity, "export": bySeverity,
			"overview, named": {"total": total, "critical": bySeverity["critical"], "high": bySeverity["high"]},
			"health":          {"total": total}, "v2": {"total": total},
		}
		if diff := cmp.Diff(want, b.openAlerts()); diff != "" {
			t.Errorf("open alerts (-want +got):\n%s", diff)
		}
	}
	expect(map[string]int{})

	// The overview is cached until the next sample; alerts come and go before it.
	b.fire(seen("cpu", "Critical", longAgo), seen("disk", "P2", longAgo), seen("up", "", longAgo))
	expect(map[string]int{"critical": 1, "high": 1, "medium": 1})

	pushed := make([]string, 0, len(pushedSeverities))
	for label := range pushedSeverities {
		pushed = append(pushed, fmt.Sprintf(`{"labels": {"alertname": %q, "severity": %q}, "endsAt": "9999-01-01T00:00:00Z"}`, "pushed "+label, label))
	}
	b.answers(b.posting(v2Alerts, "["+strings.Join(pushed, ",")+"]"), http.StatusOK, nil)
	want := map[string]int{"critical": 1, "high": 1, "medium": 1}
	for severity := range maps.Values(pushedSeverities) {
		want[severity]++
	}
	expect(want)

	b.answers(b.acknowledge("cpu_20240115", ""), http.StatusOK, nil)
	expect(want)

	b.fire()
	for _, severity := range []string{"critical", "high", "medium"} {
		want[severity]--
	}
	expect(want)
}

// spaced is a severity as a careless template makes it.
const spaced = " critical"

// pushedSeverities are labels of pushed alerts, and as what they count.
var pushedSeverities = map[string]string{
	"Critical": "critical", "page": "critical", spaced: "critical", "P1": "critical", "emergency": "critical",
	"major": "high", "Error": "high", "warning": "medium", "1": "medium", "none": "low", "informational": "low",
}

func TestAlertsAreFilteredByAnyNameOfASeverity(t *testing.T) {
	b := put(t, &fakeMetrics{}, nil)
	b.fire(seen("cpu", "Fatal", longAgo), seen("disk", "low", longAgo))
	for query, want := range map[string]int{"critical": 1, "Critical": 1, "P1,info": 2, "%20page": 1, "error": 0} {
		var list alertsForm
		if b.get("/alerts?severity="+query, &list); list.Count != want {
			t.Errorf("severity=%s lists %d alerts, want %d", query, list.Count, want)
		}
	}
	b.fails(request(t, http.MethodGet, Base+"/alerts?severity=urgent"), http.StatusBadRequest, CodeInvalidParameter,
		`severity must be some of critical, high, medium, low, got "urgent"`)
}

// uncountable is a store that cannot count.
type uncountable struct{ alert.Store }

var errUncountable = errors.New("database is locked")

func (uncountable) Count(context.Context) ([]alert.Count, error) { return nil, errUncountable }

func TestAlertsThatCannotBeCountedAreNotNone(t *testing.T) {
	b := put(t, &fakeMetrics{}, func(o *Options) { o.AlertStore = uncountable{o.AlertStore} })
	var h struct {
		Status   string
		Problems []string
		Services struct {
			Manager struct {
				Active *int `json:"active_alerts"`
			} `json:"alert_manager"`
		}
	}
	b.get("/health", &h)
	if h.Services.Manager.Active != nil || h.Status != degraded || !slices.Equal(h.Problems, []string{"alert_manager: the alerts cannot be counted"}) {
		t.Errorf("health is %+v", h)
	}
	if code := b.get("/dashboard/overview", nil); code != http.StatusInternalServerError {
		t.Errorf("the overview answered %d", code)
	}
}
