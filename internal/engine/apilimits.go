package engine

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage/remote"
)

// Bounds of requests that evaluate no expression.
const (
	// maxListed is how many series, names or values are listed; the answer warns
	// where there are more.
	maxListed = 20_000
	// maxReadQueries is how many queries a remote read has. Prometheus sends one.
	maxReadQueries = 16
	maxReadBytes   = 1 << 20
)

// listing are the beginnings of the paths of requests that list.
var listing = []string{"/api/v1/series", "/api/v1/label", "/api/v1/search/"}

// boundRequests bounds the requests to the HTTP API that evaluate no expression,
// in size and in time.
func (e *Engine) boundRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, Prefix)
		read := path == "/api/v1/read"
		lists := false
		for _, prefix := range listing {
			lists = lists || strings.HasPrefix(path, prefix)
		}
		if !read && !lists {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), e.cfg.limits().timeout)
		defer cancel()
		r = r.WithContext(ctx)
		if read {
			if err := checkRead(r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		} else {
			boundLimit(r)
		}
		next.ServeHTTP(w, r)
	})
}

// boundLimit lowers the parameter limit to what is permitted. What is wrong with
// the request is found by whoever answers it.
func boundLimit(r *http.Request) {
	_ = r.ParseForm()
	asked := r.Form.Get("limit")
	if n, err := strconv.ParseInt(asked, 10, 64); asked == "" || err == nil && (n == 0 || n > maxListed) {
		if !strings.Contains(r.URL.Path, "/search/") || asked != "" {
			r.Form.Set("limit", strconv.Itoa(maxListed))
		}
	}
}

// checkRead reports what is too large in a remote read. Its body can still be
// read afterwards.
func checkRead(r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxReadBytes))
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	// The decoder makes room for what the body says that it decodes to.
	if n, err := snappy.DecodedLen(body); err == nil && n > maxReadBytes {
		return boundErrorf("the request is %d bytes long once it is decompressed, more than the %d that are permitted", n, maxReadBytes)
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	asked, err := remote.DecodeReadRequest(again)
	if err != nil {
		return err
	}
	if len(asked.Queries) > maxReadQueries {
		return boundErrorf("the request has %d queries, more than the %d that are permitted", len(asked.Queries), maxReadQueries)
	}
	for _, q := range asked.Queries {
		if len(q.Matchers) > maxExprRegexps {
			return boundErrorf("a query has %d matchers, more than the %d that are permitted", len(q.Matchers), maxExprRegexps)
		}
		for _, m := range q.Matchers {
			if m.Type != prompb.LabelMatcher_RE && m.Type != prompb.LabelMatcher_NRE {
				continue
			}
			if err := checkRegexp(m.Value); err != nil {
				return err
			}
		}
	}

	return nil
}
