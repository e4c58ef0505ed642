package logship

import (
	"io"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// closing closes c, which has to succeed.
func closing(tb testing.TB, c io.Closer) {
	tb.Helper()

	if err := c.Close(); err != nil {
		tb.Error(err)
	}
}
