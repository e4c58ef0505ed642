//go:build race

package logstore_test

// raceDetector makes sync.Pool forget at random, so that memory cannot be counted.
const raceDetector = true
