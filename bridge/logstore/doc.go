// Package logstore keeps log entries: durably, compactly, and so that they are
// found at once.
//
// An appended batch is encoded into frames, written to the write-ahead log
// together with those of others that wait, and acknowledged after one fsync for
// all of them. The same frames stay in memory, compressed, and are searched there.
// When enough has gathered, the log goes on in a new file and what the old one
// held is sealed into a block in the background; the file is removed after the
// block is durable. Blocks never change: small neighbours are merged into a larger
// one, and old ones are removed whole.
//
// Every entry has a number that rises by one. Files are named after the numbers
// they hold, so that the directory needs no list of its own: after a crash a block
// makes the files superfluous whose numbers it covers.
//
// One goroutine commits, one seals, merges and removes. Readers take a snapshot of
// what there is and wait for neither.
//
// It must not know how entries arrive, who asks, or HTTP. How entries lie in a
// block is for package block alone.
package logstore
