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

// clientFlags say which llmwatch to ask, and how to print the answer.
type clientFlags struct {
	connectFlags
	Timeout time.Duration `default:"30s" help:"How long to wait for the answer."`
	JSON    bool          `name:"json" help:"Print the answer as it came, for programs."`
}

// call asks the REST API and decodes the answer; with --json it prints it and
// reports true.
func (f *clientFlags) call(ctx context.Context, out output, method, path string, body, into any) (printed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	var sent io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return false, err
		}
		sent = bytes.NewReader(text)
	}
	url := strings.TrimSuffix(f.URL, "/") + "/api/v1/monitoring" + path
	req, err := http.NewRequestWithContext(ctx, method, url, sent)
	if err != nil {
		return false, fmt.Errorf("asking %s: %w", f.URL, err)
	}
	resp, err := f.do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, fmt.Errorf("reading the answer of %s: %w", f.URL, err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return false, answerError(url, resp.Status, answer)
	}
	if f.JSON {
		_, err := out.stdout.Write(answer)
		return true, err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return false, fmt.Errorf("reading the answer of %s: %w", url, err)
	}

	return false, nil
}

// answerError makes an error of an answer in the documented form.
func answerError(url, status string, answer []byte) error {
	var failed struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(answer, &failed) != nil || failed.Error.Message == "" {
		return fmt.Errorf("%s answered %s", url, status)
	}

	return fmt.Errorf("%s (%s)", failed.Error.Message, status)
}
