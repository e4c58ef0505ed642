//go:build race

package logship

// raceDetector makes sync.Pool forget at random, so that allocations cannot be
// counted.
const raceDetector = true
