// Package runbooks carries the runbooks inside the binary: what to look at and to
// do when an alert of a default rule fires.
//
// It must not know who shows them.
package runbooks

import "embed"

// Files holds the runbooks at its root, each named after its alert rule
// (high_cpu_usage.md), in Markdown that begins with a heading.
//
//go:embed *.md
var Files embed.FS
