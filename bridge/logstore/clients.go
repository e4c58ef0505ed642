package logstore

import (
	"encoding/binary"
	"time"
)

// clients remembers the highest number kept of each client that numbers its
// batches. Each file of the write-ahead log begins with all of them, so that
// earlier files can go.
type clients struct {
	seen map[string]client
}

type client struct {
	number uint64
	last   int64 // Seconds since 1970 when it last sent something.
}

const (
	// clientIdle is after how long a client is forgotten.
	clientIdle = 30 * 24 * time.Hour
	// maxClients bounds them: beyond it the longest idle one is forgotten.
	maxClients = 10_000
	// MaxClientName is the most bytes that a client's name may have.
	MaxClientName = 128
)

func newClients() *clients { return &clients{map[string]client{}} }

// has reports whether a batch of that number, or a later one, was kept.
func (c *clients) has(name string, number uint64) bool {
	known, ok := c.seen[name]

	return ok && number <= known.number
}

// keep notes that a batch was kept.
func (c *clients) keep(name string, number uint64, now time.Time) {
	if known, ok := c.seen[name]; ok {
		number = max(number, known.number)
	} else if len(c.seen) >= maxClients {
		c.forgetOldest()
	}
	c.seen[name] = client{number, now.Unix()}
}

func (c *clients) forgetOldest() {
	oldest, found := "", false
	for name, known := range c.seen {
		if !found || known.last < c.seen[oldest].last {
			oldest, found = name, true
		}
	}
	delete(c.seen, oldest)
}

// expire forgets those that have been idle for long.
func (c *clients) expire(now time.Time) {
	for name, known := range c.seen {
		if now.Unix()-known.last > int64(clientIdle/time.Second) {
			delete(c.seen, name)
		}
	}
}

func (c *clients) marshal() []byte {
	b := binary.AppendUvarint(nil, uint64(len(c.seen)))
	for name, known := range c.seen {
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
		b = binary.AppendUvarint(b, known.number)
		b = binary.AppendUvarint(b, uint64(known.last))
	}

	return b
}

// unmarshal adds what marshal wrote.
func (c *clients) unmarshal(b []byte) error {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return errBody
	}
	b = b[size:]
	for range n {
		name, number, rest, err := parseClient(b)
		if err != nil {
			return err
		}
		last, size := binary.Uvarint(rest)
		if size <= 0 {
			return errBody
		}
		b = rest[size:]
		if known := c.seen[name]; number >= known.number {
			c.seen[name] = client{number, int64(last)}
		}
	}

	return nil
}
