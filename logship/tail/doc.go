// Package tail follows log files and hands their lines to a [logship.Sink], each
// exactly once: across rename, copytruncate, deletion, a symbolic link that moves
// on, and the death of the process at any moment.
//
// A [Follower] looks at its files by polling, so that it works on network file
// systems too. It knows a file by its device, its inode and marks of what it has
// read, never by its name. What it reads becomes a numbered batch, which is stored
// in the checkpoint together with the new positions before it is delivered; so a
// batch in flight can be sent again as it was, whatever has become of the files.
// It reads no further while a batch is under way: what waits, waits in the files.
//
// It must not know where batches go, and it reads no flags and no environment.
package tail
