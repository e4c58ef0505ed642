package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

type healthcheckCmd struct {
	connectFlags
	Timeout time.Duration `default:"5s" help:"How long to wait for the answer."`
}

// Help is shown by `llmwatch healthcheck --help`.
func (healthcheckCmd) Help() string {
	return `For container probes without curl. A program that is starting is not healthy yet.
Orchestrators that can send requests themselves have /-/healthy (must it be
restarted?) and /-/ready (may it get requests?).

Examples:
  llmwatch healthcheck
  llmwatch healthcheck --url http://127.0.0.1:9925 --timeout 2s`
}

// Run asks once.
func (c *healthcheckCmd) Run(ctx context.Context, out output) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/api/v1/monitoring/health", http.NoBody)
	if err != nil {
		return fmt.Errorf("asking %s: %w", c.URL, err)
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", c.URL, err)
	}
	var health struct{ Status string }
	// A proxy in between answers in a form of its own.
	if err := json.Unmarshal(body, &health); err == nil && health.Status == "starting" {
		return fmt.Errorf("%s is starting: it answers requests once it has read its data", c.URL)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", c.URL, resp.Status, bytes.TrimSpace(body))
	}
	_, err = out.stdout.Write(body)

	return err
}
