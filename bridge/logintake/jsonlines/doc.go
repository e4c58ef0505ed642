// Package jsonlines reads log entries as lines of JSON in the documented schema,
// or as the elements of an array. Lines that are not JSON are entries too: their
// text is the message.
//
// It must not know HTTP, compression, or how entries are kept.
package jsonlines
