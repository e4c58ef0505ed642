package quota

// Limits are the quotas. 0 is no bound everywhere.
type Limits struct {
	SeriesPerToken     int   `yaml:"series_per_token" commands:"serve" min:"0" help:"Series that one token may have written in the last two hours over OTLP; samples of further ones are refused. Without authentication each client address counts as a token, here and below. 0 for no bound, here and below."`
	PushedSeries       int   `yaml:"pushed_series" commands:"serve" min:"0" help:"Series that all tokens together may have written in the last two hours over OTLP."`
	AlertsPerToken     int   `yaml:"alerts_per_token" commands:"serve,bridge" min:"0" help:"Pushed alerts of one token that may be open, or ended within their cooldown, at a time; further ones are refused. Ends of alerts always pass. Without authentication all share one bound, here and in the next."`
	AlertBytesPerToken int64 `yaml:"alert_bytes_per_token" unit:"bytes" commands:"serve,bridge" help:"Bytes of labels and annotations that these alerts may hold together."`
	EventsPerSecond    int   `yaml:"events_per_second" commands:"serve,exporter" min:"0" help:"Events a second that one token may push to metrics/api and metrics/app, over a minute."`
	LogBytesPerSecond  int64 `yaml:"log_bytes_per_second" unit:"bytes" commands:"serve,bridge" help:"Bytes of log lines a second that one token may push, decompressed, over a minute."`
	LogBytesPerDay     int64 `yaml:"log_bytes_per_day" unit:"bytes" commands:"serve,bridge" help:"Bytes of log lines that one token may push in a day, decompressed."`
}

// DefaultLimits leave room for a platform whose programs share one token: a
// thousand endpoints' histograms, every alert of a large Prometheus at once, and
// more events and logs than one machine can take in.
func DefaultLimits() Limits {
	return Limits{
		SeriesPerToken: 25_000, PushedSeries: 100_000,
		AlertsPerToken: 12_000, AlertBytesPerToken: 32 << 20,
		EventsPerSecond:   50_000,
		LogBytesPerSecond: 256 << 20, LogBytesPerDay: 256 << 30,
	}
}
