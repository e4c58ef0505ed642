// Package block makes and reads sealed blocks of log entries: made once, never
// changed, compressed by columns, and searched without being read as a whole.
//
// It knows entries and bytes. It must not know files, directories, or the store
// that decides which entries make a block and how long it stays.
//
// Entries of one level, one logger and one shape (the names and kinds of their
// fields) make a group, so that most of what a program writes is the same for all
// of a group. What is rare in shape is gathered by level. The rows of a group, in
// the order of their positions, are cut into chunks, and each column of a chunk is a
// section of its own. docs/log-format.md describes every byte.
//
// A question is answered from as little as possible: from the summary, which Open
// has read; from one page of the filter, which tells that a value is not in the
// block; from the directory, which knows the times of each chunk and the texts that
// all of its rows have in common; then from the columns that the question speaks
// of. A text that many rows share is looked at once. Only Fetch makes entries.
//
// Every section has a checksum, which is verified when the section is read, and is
// decoded with bounds on what it may take: a damaged block is a CorruptError or the
// right answer, never another one.
package block
