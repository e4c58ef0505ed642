package notify

import (
	"bytes"
	"flag"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var chartsDir = flag.String("charts", "", "write the charts of the tests into this directory, to be looked at")

var noon = time.Date(2024, 1, 15, 12, 3, 20, 0, time.UTC)

func curve(f func(i int) float64) []Point {
	points := make([]Point, 121)
	for i := range points {
		points[i] = Point{noon.Add(time.Duration(i-120) * 30 * time.Second), f(i)}
	}

	return points
}

func TestChartIsASmallPNG(t *testing.T) {
	wave := func(i int) float64 { return 62 + 8*math.Sin(float64(i)/9) + 4*math.Cos(float64(i)*1.7) }
	rising := func(i int) float64 { return wave(i) + 32/(1+math.Exp(-float64(i-85)/4)) - 8 }
	eighty, huge, tiny, nan := 80.0, 5e9, 0.002, math.NaN()
	for name, c := range map[string]struct {
		points    []Point
		threshold *float64
		title     string
	}{
		"above its threshold":             {curve(rising), &eighty, "CPU usage of host-1 in percent"},
		"without a threshold":             {curve(wave), nil, "CPU usage of host-1 in percent"},
		"with a threshold far above":      {curve(func(i int) float64 { return 100 + float64(i%7) }), &huge, "queue depth"},
		"with tiny values":                {curve(func(i int) float64 { return 0.001 + float64(i)/1e5 }), &tiny, "error ratio"},
		"constant":                        {curve(func(int) float64 { return 95 }), &eighty, "memory"},
		"constantly at zero":              {curve(func(int) float64 { return 0 }), nil, "requests"},
		"negative":                        {curve(func(i int) float64 { return -float64(i) }), &eighty, "temperature"},
		"with a threshold that is no one": {curve(wave), &nan, "CPU"},
		"of one point":                    {[]Point{{noon, 3}}, &eighty, "one"},
		"with gaps": {curve(func(i int) float64 {
			if i > 40 && i < 70 || i == 90 {
				return math.NaN()
			}

			return wave(i)
		}), &eighty, "interrupted"},
		"with an overlong title":   {curve(wave), &eighty, string(bytes.Repeat([]byte("W\xff<b>\r\n"), 1000))},
		"with astronomical values": {curve(func(i int) float64 { return math.Pow(10, float64(i)*2.6-10) }), nil, "astronomical"},
	} {
		t.Run(name, func(t *testing.T) {
			picture, err := Chart(c.points, c.threshold, c.title)
			if err != nil {
				t.Fatal(err)
			}
			if *chartsDir != "" {
				if err := os.WriteFile(filepath.Join(*chartsDir, name+".png"), picture, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			config, err := png.DecodeConfig(bytes.NewReader(picture))
			if err != nil {
				t.Fatal(err)
			}
			if config.Width != chartWidth || config.Height != chartHeight || len(picture) > 60_000 {
				t.Errorf("got %d×%d pixels in %d bytes, want 600×260 in at most 60,000", config.Width, config.Height, len(picture))
			}
		})
	}
}

func TestChartWithoutAnythingToDrawIsAnError(t *testing.T) {
	for name, points := range map[string][]Point{
		"no points":       nil,
		"no finite value": curve(func(int) float64 { return math.Inf(1) }),
	} {
		t.Run(name, func(t *testing.T) {
			if picture, err := Chart(points, nil, "nothing"); err == nil {
				t.Errorf("got a picture of %d bytes, want an error", len(picture))
			}
		})
	}
}

func BenchmarkChart(b *testing.B) {
	points, threshold := curve(func(i int) float64 { return 60 + float64(i%30) }), 80.0
	for b.Loop() {
		if _, err := Chart(points, &threshold, "CPU usage"); err != nil {
			b.Fatal(err)
		}
	}
}
