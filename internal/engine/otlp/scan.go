package otlp

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// budget counts what a request holds while it is scanned.
type budget struct{ elements int }

// open counts an element at that depth.
func (b *budget) open(depth int) error {
	if b.elements++; b.elements > maxElements {
		return fmt.Errorf("%w: at most %d objects are taken", ErrTooLarge, maxElements)
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: objects may be nested %d deep", ErrTooLarge, maxDepth)
	}

	return nil
}

// scanJSON counts the objects and arrays of a JSON text. Whether it is valid is
// for the decoder to say.
func scanJSON(body []byte) error {
	var b budget
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			// Each level of OTLP's own messages is an object in an array.
			if err := b.open(depth / 2); err != nil {
				return err
			}
		case '}', ']':
			depth--
		}
	}

	return nil
}

// message says which fields of a protobuf message hold messages.
type message map[protowire.Number]message

// request are the messages of an OTLP metrics request, by the numbers of
// opentelemetry/proto/metrics/v1/metrics.proto.
var request = func() message {
	leaf := message{}
	value := message{}
	keyValue := message{2: value}
	value[5], value[6] = message{1: value}, message{1: keyValue} // Values hold values.
	exemplar := message{7: keyValue}
	number := message{5: exemplar, 7: keyValue}
	histogram := message{8: exemplar, 9: keyValue}
	exponential := message{1: keyValue, 8: leaf, 9: leaf, 11: exemplar}
	summary := message{6: leaf, 7: keyValue}
	metric := message{
		5: {1: number}, 7: {1: number}, 9: {1: histogram}, 10: {1: exponential}, 11: {1: summary}, 12: keyValue,
	}
	scopeMetrics := message{1: {3: keyValue}, 2: metric}

	return message{1: {
		1:    {1: keyValue, 3: leaf},
		2:    scopeMetrics,
		1000: scopeMetrics, // What version 0.15 of the protocol called the second field.
	}}
}()

var errMalformed = errors.New("the body is no protobuf message")

// scanProtobuf counts the messages of a request.
func scanProtobuf(body []byte) error {
	var b budget

	return b.scan(body, request, 0)
}

func (b *budget) scan(body []byte, m message, depth int) error {
	if err := b.open(depth); err != nil {
		return err
	}
	for len(body) > 0 {
		field, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return errMalformed
		}
		body = body[n:]
		inner, isMessage := m[field]
		if kind != protowire.BytesType || !isMessage {
			if n = protowire.ConsumeFieldValue(field, kind, body); n < 0 {
				return errMalformed
			}
			body = body[n:]

			continue
		}
		value, n := protowire.ConsumeBytes(body)
		if n < 0 {
			return errMalformed
		}
		if err := b.scan(value, inner, depth+1); err != nil {
			return err
		}
		body = body[n:]
	}

	return nil
}
