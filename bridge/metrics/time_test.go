package metrics

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTimeInJSON(t *testing.T) {
	for name, tc := range map[string]struct {
		time Time
		want string
	}{
		"milliseconds":                   {Time{time.Date(2024, 1, 15, 10, 30, 45, 123_000_000, time.UTC)}, `"2024-01-15T10:30:45.123Z"`},
		"trailing zeros are kept":        {Time{time.Date(2024, 1, 15, 10, 30, 45, 100_000_000, time.UTC)}, `"2024-01-15T10:30:45.100Z"`},
		"whole seconds":                  {Time{time.Date(2024, 1, 15, 10, 30, 0, 0, time.UTC)}, `"2024-01-15T10:30:00.000Z"`},
		"what is finer is cut":           {Time{time.Date(2024, 1, 15, 10, 30, 45, 999_999_999, time.UTC)}, `"2024-01-15T10:30:45.999Z"`},
		"another zone is shown in UTC":   {Time{time.Date(2024, 1, 15, 12, 0, 0, 0, time.FixedZone("", 2*3600))}, `"2024-01-15T10:00:00.000Z"`},
		"the zero value is null":         {Time{}, `null`},
		"the zero moment of any zone is": {Time{time.Time{}.In(time.FixedZone("", 3600))}, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(tc.time)
			if err != nil || string(got) != tc.want {
				t.Fatalf("got %s (%v), want %s", got, err, tc.want)
			}
			var back Time
			if err := json.Unmarshal(got, &back); err != nil || !back.Equal(tc.time.Truncate(time.Millisecond)) {
				t.Errorf("it is read back as %s (%v)", back, err)
			}
		})
	}
	var wrong Time
	if err := json.Unmarshal([]byte(`"yesterday"`), &wrong); err == nil {
		t.Error("a text that is no time is taken")
	}
}
