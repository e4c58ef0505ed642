//go:build !linux

package app

// forgetStartup does nothing where the kernel offers no way.
func forgetStartup() error { return nil }
