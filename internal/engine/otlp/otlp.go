// Package otlp reads OTLP metrics in protobuf and JSON and bounds what they may
// hold, before anything is made of them: memory and time stay proportional to the
// size of a request, whatever is in it.
//
// It must not know the database, the names of series, or who sends.
package otlp

import (
	"errors"
	"fmt"
	"mime"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// Bounds of a request. They are several times what the OpenTelemetry SDKs and the
// Collector send in one request by default.
const (
	// MaxPoints is how many data points a request may hold.
	MaxPoints = 50_000
	// maxElements bounds the messages, or JSON objects, in a request: an empty one
	// takes two bytes and a hundred times as much memory.
	maxElements = 300_000
	// maxDepth bounds their nesting: an attribute's value may hold others.
	maxDepth = 32
)

// ErrTooLarge is why a request is not decoded at all.
var ErrTooLarge = errors.New("the request holds too much; send several smaller ones")

// ErrUnsupported says that a request is neither protobuf nor JSON.
var ErrUnsupported = errors.New("the Content-Type must be application/x-protobuf or application/json")

// Encoding is how a request is written, and its answer.
type Encoding int

// The encodings.
const (
	Protobuf Encoding = iota
	JSON
)

// EncodingOf returns the encoding that a Content-Type names.
func EncodingOf(contentType string) (Encoding, error) {
	mediaType, _, _ := mime.ParseMediaType(contentType) // Empty if malformed.
	switch mediaType {
	case "application/x-protobuf":
		return Protobuf, nil
	case "application/json":
		return JSON, nil
	default:
		return 0, fmt.Errorf("%w, got %.60q", ErrUnsupported, contentType)
	}
}

// ContentType is what the answer to a request says it is.
func (e Encoding) ContentType() string {
	if e == JSON {
		return "application/json"
	}

	return "application/x-protobuf"
}

// Decode reads a request. What would take much more memory than it is long is
// refused with ErrTooLarge before.
func (e Encoding) Decode(body []byte) (pmetric.Metrics, error) {
	request := pmetricotlp.NewExportRequest()
	scan, decode := scanProtobuf, request.UnmarshalProto
	if e == JSON {
		scan, decode = scanJSON, request.UnmarshalJSON
	}
	if err := scan(body); err != nil {
		return pmetric.Metrics{}, err
	}
	if err := decode(body); err != nil {
		return pmetric.Metrics{}, fmt.Errorf("the body is no OTLP metrics request: %w", err)
	}
	metrics := request.Metrics()
	if n := metrics.DataPointCount(); n > MaxPoints {
		return pmetric.Metrics{}, fmt.Errorf("%w: at most %d data points are taken, got %d", ErrTooLarge, MaxPoints, n)
	}

	return metrics, nil
}

// Answer is the body of the answer to a request of which so many data points were
// refused. The message says why.
func (e Encoding) Answer(refused int, message string) ([]byte, error) {
	response := pmetricotlp.NewExportResponse()
	if refused > 0 {
		response.PartialSuccess().SetRejectedDataPoints(int64(refused))
		response.PartialSuccess().SetErrorMessage(message)
	}
	if e == JSON {
		return response.MarshalJSON()
	}

	return response.MarshalProto()
}
