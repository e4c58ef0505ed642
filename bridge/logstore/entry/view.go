package entry

import "unsafe"

// view is a string that shares b's memory. It holds as long as b is not changed.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
