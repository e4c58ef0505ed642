//go:build !race

package logship

const raceDetector = false
