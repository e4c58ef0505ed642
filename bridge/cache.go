package bridge

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/prometheus/client_golang/prometheus"
)

// cacheBytes is the smallest size that fastcache works with. It lives outside
// the Go heap and occupies memory only as far as it is filled.
const cacheBytes = 32 << 20

// answer is a rendered body and how long it may be given again.
type answer struct {
	body  []byte
	fresh time.Duration
}

// cache keeps rendered answers and has equal questions asked once at a time.
type cache struct {
	store   *fastcache.Cache
	flights flights
	now     func() time.Time
	hits    prometheus.Counter
	misses  prometheus.Counter
}

func newCache(reg prometheus.Registerer, now func() time.Time) *cache {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llmwatch_cache_requests_total",
		Help: "Requests to the cache of rendered answers, by result (hit, miss).",
	}, []string{"result"})
	c := &cache{
		store:  fastcache.New(cacheBytes),
		now:    now,
		hits:   requests.WithLabelValues("hit"),
		misses: requests.WithLabelValues("miss"),
	}
	reg.MustRegister(requests, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "llmwatch_cache_size_bytes",
		Help: "Size of the cache of rendered answers.",
	}, func() float64 {
		var s fastcache.Stats
		c.store.UpdateStats(&s)

		return float64(s.BytesSize)
	}))

	return c
}

// get returns the body kept under key, or has render make it. Callers that ask
// while it is being made share the outcome; the work goes on when one of them
// leaves, because the others wait for it, and ends with the last of them.
func (c *cache) get(ctx context.Context, key string, render func(context.Context) (answer, error)) ([]byte, error) {
	if body, ok := c.lookup(key); ok {
		c.hits.Inc()
		return body, nil
	}
	c.misses.Inc()

	return c.flights.join(ctx, key, func(ctx context.Context) (body []byte, err error) {
		// This runs apart from the request, where nobody else could recover.
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("answering %s panicked: %v\n%s", key, p, debug.Stack())
			}
		}()
		a, err := render(ctx)
		if err != nil {
			return nil, err
		}
		c.keep(key, a)

		return a.body, nil
	})
}

// stampLen is the length of the expiry in front of each kept body:
// milliseconds since 1970, big endian.
const stampLen = 8

func (c *cache) lookup(key string) ([]byte, bool) {
	kept := c.store.GetBig(nil, []byte(key))
	if len(kept) < stampLen || c.now().UnixMilli() >= int64(binary.BigEndian.Uint64(kept)) {
		return nil, false
	}

	return kept[stampLen:], true
}

func (c *cache) keep(key string, a answer) {
	if a.fresh <= 0 {
		return
	}
	kept := make([]byte, stampLen, stampLen+len(a.body))
	binary.BigEndian.PutUint64(kept, uint64(c.now().Add(a.fresh).UnixMilli()))
	c.store.SetBig([]byte(key), append(kept, a.body...))
}
