package engine

import (
	// The ways of service discovery that a configuration file may use besides
	// static_configs. The server's own plugins package would link them all.
	_ "github.com/prometheus/prometheus/discovery/dns"
	_ "github.com/prometheus/prometheus/discovery/file"
	_ "github.com/prometheus/prometheus/discovery/http"
)
