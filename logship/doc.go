// Package logship writes the documented log entries of a program: one line of
// JSON each, with secrets redacted before the line leaves the process.
//
// [New] composes a logger from a [Config]. Its parts stand alone too: [Handler]
// is a slog.Handler, [Async] takes the writing off the caller's goroutine,
// [File] rotates, [Redactor] finds secrets in keys, texts and JSON,
// [NewMiddleware] logs HTTP requests and [Call] function calls.
//
// It is a library for any Go program. It must not know who reads the lines,
// where they are stored, or any other package of llmwatch; it reads no flags
// and no environment, and keeps no package state.
package logship
