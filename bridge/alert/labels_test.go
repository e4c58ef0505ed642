package alert

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestLabelText(t *testing.T) {
	t.Parallel()
	crashing := map[string]string{"alertname": "KubePodCrashLooping", "severity": "critical", "cluster": "prod-eu", "namespace": "billing", "pod": "api-7f9c"}
	for name, tc := range map[string]struct {
		labels, skip map[string]string
		most         int
		want         string
	}{
		"what tells most comes first":      {crashing, nil, 100, "namespace=billing, pod=api-7f9c, cluster=prod-eu"},
		"what all have alike is left out":  {crashing, map[string]string{"cluster": "prod-eu", "pod": "another"}, 100, "namespace=billing, pod=api-7f9c"},
		"the job comes last":               {map[string]string{"job": "a", "zone": "b", "instance": "c"}, nil, 100, "instance=c, zone=b, job=a"},
		"what does not fit is counted":     {crashing, nil, 40, "namespace=billing, pod=api-7f9c, +1"},
		"only one fits":                    {crashing, nil, 24, "namespace=billing, +2"},
		"not even one fits":                {crashing, nil, 12, "namespace…"},
		"internal and empty ones are none": {map[string]string{"__name__": "up", "pod": "", "alertname": "x"}, nil, 100, ""},
		"no labels":                        {nil, nil, 100, ""},
		"values are quoted where they could be read as more": {
			map[string]string{"team": "a&b <c>", "path": `/x?y="z"\`, "plain": "a/b:1"}, nil, 100, `path="/x?y=\"z\"\\", plain=a/b:1, team="a&b <c>"`,
		},
		"what cannot be seen is taken out": {
			map[string]string{"pod": "a\u202eevil\u202c\u200b", "bad\r\nname": "x\x1b[31m\ny", "emoji": "🔥 é"},
			nil, 100,
			`pod=aevil, bad name="x [31m y", emoji="🔥 é"`,
		},
		"the end of a long value stays": {
			map[string]string{"instance": strings.Repeat("a", 5000) + "-7f9c"},
			nil, 200,
			"instance=" + strings.Repeat("a", 37) + "…" + strings.Repeat("a", 35) + "-7f9c",
		},
	} {
		if got := LabelText(tc.labels, tc.skip, tc.most); got != tc.want || len(got) > tc.most {
			t.Errorf("%s: %q (%d bytes), want %q", name, got, len(got), tc.want)
		}
	}
}

func TestCommonLabels(t *testing.T) {
	t.Parallel()
	labels := func(pairs ...string) (a Alert) {
		a.Labels = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			a.Labels[pairs[i]] = pairs[i+1]
		}

		return a
	}
	one := labels("cluster", "eu", "pod", "a", "team", "x")
	got := CommonLabels([]Alert{one, labels("cluster", "eu", "pod", "b", "team", "x"), labels("cluster", "eu", "pod", "c")})
	if diff := cmp.Diff(map[string]string{"cluster": "eu"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(one.Labels) != 3 {
		t.Errorf("the alert has lost labels: %v", one.Labels)
	}
	if got := CommonLabels([]Alert{one}); len(got) != 0 {
		t.Errorf("one alert shares %v with nobody", got)
	}
}

func FuzzLabelText(f *testing.F) {
	f.Add("pod", "a\u202e\xff", "team", "b, c", 30)
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string, most int) {
		most = 10 + max(0, most%500)
		got := LabelText(map[string]string{n1: v1, n2: v2}, nil, most)
		if len(got) > most || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\t\x00\x1b\u202e\u200b") {
			t.Errorf("got %q", got)
		}
	})
}
