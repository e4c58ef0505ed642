//go:build !race

package logstore_test

const raceDetector = false
