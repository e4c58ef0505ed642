//go:build !unix

package disk

import "os"

// lockFile would lock a file; here nobody is kept out.
func lockFile(*os.File) error { return nil }

// syncDir has nothing to do where directories cannot be synchronised.
func syncDir(string) error { return nil }
