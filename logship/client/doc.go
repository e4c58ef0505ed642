// Package client sends batches of log entries to a server, each exactly once: a
// [Client] is a [logship.Sink] that numbers its requests as its batches are
// numbered, and repeats the same one until the server has it on disk.
//
// It must not know where the lines come from, and it reads no flags and no
// environment.
package client
