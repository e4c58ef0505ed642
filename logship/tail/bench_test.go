package tail

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"llmwatch/logship"
)

// counting is a sink that counts bytes, and ends the run when all have come.
type counting struct {
	left int
	done context.CancelFunc
}

func (c *counting) Deliver(_ context.Context, b logship.Batch) error {
	if c.left -= len(b.Lines); c.left <= 0 {
		c.done()
	}

	return nil
}

// BenchmarkFollow reads documented lines of about 350 bytes, one an operation.
func BenchmarkFollow(b *testing.B) {
	line := `{"timestamp":"2024-01-15T10:30:45.123Z","level":"INFO","logger":"api.requests","message":"Request completed",` +
		`"module":"logging_middleware","function":"log_request_end","line":85,"thread":140234567890,"process":12345,` +
		`"request_id":"req-abc123","method":"POST","path":"/api/v1/generate","status_code":200,"duration_ms":150.5,"response_size":2048}` + "\n"
	dir := b.TempDir()
	path := filepath.Join(dir, "app.log")
	if err := os.WriteFile(path, []byte(strings.Repeat(line, b.N)), 0o600); err != nil {
		b.Fatal(err)
	}
	ctx, done := context.WithCancel(b.Context())
	defer done()
	f, err := New(Options{
		Files: []string{path}, Checkpoint: filepath.Join(dir, "checkpoint"), Sink: &counting{b.N * len(line), done}, FromStart: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	b.ResetTimer()
	if err := f.Run(ctx); err != nil {
		b.Fatal(err)
	}
}
