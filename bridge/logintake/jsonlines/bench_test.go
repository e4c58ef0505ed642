package jsonlines

import (
	"bytes"
	"testing"
	"time"

	"github.com/valyala/fastjson"

	"llmwatch/bridge/logstore/entry"
	"llmwatch/logship"
)

// requestLine is of the kind that programs write most.
const requestLine = `{"timestamp":"2024-01-15T10:30:45.123Z","level":"INFO","logger":"api.requests","message":"Request completed",` +
	`"module":"logging_middleware","function":"log_request_end","line":85,"thread":140234567890,"process":12345,` +
	`"request_id":"req-8f14e45fceea167a5a36dedd4bea2543","method":"POST","path":"/api/v1/generate","status_code":200,"duration_ms":150.5,"response_size":2048}`

// kept is a sink that copies what it is given, as the store's does.
type kept struct{ batch entry.Batch }

func (k *kept) Add(e *entry.Entry, _ int) error {
	if k.batch.Add(e); k.batch.Size() > 1<<20 {
		k.batch.Reset()
	}

	return nil
}

func (*kept) Reject(int, string) {}

// BenchmarkRead is the whole way of a line from a body into a batch, redaction
// included.
func BenchmarkRead(b *testing.B) {
	const lines = 1000
	body := bytes.Repeat([]byte(requestLine+"\n"), lines)
	format := New(logship.NewRedactor())
	var sink kept
	b.SetBytes(int64(len(requestLine) + 1))
	b.ReportAllocs()
	for i := 0; i < b.N; i += lines {
		if err := format.Read(bytes.NewReader(body), time.Now(), &sink); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse is the parser alone, beside the one that pushed events use.
func BenchmarkParse(b *testing.B) {
	line := []byte(requestLine)
	b.Run("ours", func(b *testing.B) {
		p := parser{redact: logship.NewRedactor()}
		b.SetBytes(int64(len(line)))
		b.ReportAllocs()
		for b.Loop() {
			if err := p.parse(line); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fastjson", func(b *testing.B) {
		var p fastjson.Parser
		b.SetBytes(int64(len(line)))
		b.ReportAllocs()
		for b.Loop() {
			if err := fastjson.ValidateBytes(line); err != nil {
				b.Fatal(err)
			}
			if _, err := p.ParseBytes(line); err != nil {
				b.Fatal(err)
			}
		}
	})
}
