package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// DefaultTimeout is how long a poll waits for an answer unless the configuration
// says otherwise.
const DefaultTimeout = 30 * time.Second

// ErrSlow is wrapped by the error of an answer that a poll did not wait for.
var ErrSlow = errors.New("it did not answer within")

// Yields returns the labels of the series that an expression yields at a moment; a
// number without labels is one series. An answer that may lack some is an error.
func (c *Client) Yields(ctx context.Context, expr string, at time.Time) ([]map[string]string, error) {
	vector, err := c.polledVector(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	series := make([]map[string]string, len(vector))
	for i, sample := range vector {
		series[i] = stringMap(model.LabelSet(sample.Metric))
	}

	return series, nil
}

func (c *Client) polledVector(ctx context.Context, expr string, at time.Time) (model.Vector, error) {
	var warnings promv1.Warnings
	value, err := patient(ctx, c.timeout, func(ctx context.Context) (v model.Value, err error) {
		v, warnings, err = c.api.Query(ctx, expr, at)

		return v, err
	})
	if err != nil {
		return nil, err
	}
	if lacking := withoutInfos(warnings); len(lacking) > 0 {
		return nil, fmt.Errorf("%w: the answer is partial: %s", ErrUnavailable, strings.Join(lacking, "; "))
	}
	switch v := value.(type) {
	case model.Vector:
		return v, nil
	case *model.Scalar:
		return model.Vector{{Value: v.Value, Timestamp: v.Timestamp}}, nil
	default:
		return nil, unexpected(value, model.ValVector)
	}
}

// withoutInfos leaves out what a server says about the expression and not about the
// data, as Prometheus does in the same list.
func withoutInfos(warnings []string) []string {
	var lacking []string
	for _, w := range warnings {
		if !strings.HasPrefix(w, "PromQL ") {
			lacking = append(lacking, w)
		}
	}

	return lacking
}

// Started is when the server was started. Where it does not tell, the error wraps
// ErrNotTold.
func (c *Client) Started(ctx context.Context) (time.Time, error) {
	info, err := patient(ctx, c.timeout, c.api.Runtimeinfo)
	if err == nil && info.StartTime.IsZero() {
		err = ErrNotTold
	}

	return info.StartTime, err
}

// patient asks something that a poll waits for.
func patient[T any](ctx context.Context, timeout time.Duration, ask func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := ask(bounded)
	switch {
	case err == nil:
		return answer, nil
	case notTold(err):
		return answer, fmt.Errorf("%w: %w", ErrNotTold, err)
	case errors.Is(bounded.Err(), context.DeadlineExceeded) && ctx.Err() == nil:
		return answer, fmt.Errorf("%w: %w %s (prometheus.timeout)", ErrUnavailable, ErrSlow, timeout)
	default:
		return answer, classify(err)
	}
}

// notTold reports that the server does not know the path. One that refuses it or
// fails may know it, and tell the next time.
func notTold(err error) bool {
	asked, ok := errors.AsType[*promv1.Error](err)
	if !ok || asked.Type != promv1.ErrClient {
		return false
	}
	for _, code := range []int{http.StatusNotFound, http.StatusMethodNotAllowed} {
		if strings.HasSuffix(asked.Msg, strconv.Itoa(code)) {
			return true
		}
	}

	return false
}

// answerKey is the key of the answer in a context.
type answerKey struct{}

// answer keeps what the client library drops of an answer.
type answer struct{ body []byte }

// withAnswer has the answer to what is asked with the context kept.
func withAnswer(ctx context.Context) (context.Context, *answer) {
	a := &answer{}

	return context.WithValue(ctx, answerKey{}, a), a
}

// warnings are those of the answer: the library drops them for rules.
func (a *answer) warnings() []string {
	var said struct {
		Warnings []string `json:"warnings"`
	}
	if err := json.Unmarshal(a.body, &said); err != nil {
		return nil // The library has read it: it is JSON.
	}

	return said.Warnings
}

// keeper is a client that keeps answers where the context asks for it.
type keeper struct{ api.Client }

// Do implements api.Client.
func (k keeper) Do(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	response, body, err := k.Client.Do(ctx, req)
	if a, ok := ctx.Value(answerKey{}).(*answer); ok {
		a.body = body
	}

	return response, body, err
}
