//go:build race

package sqlite

// raceEnabled is set where the race detector makes times meaningless.
const raceEnabled = true
