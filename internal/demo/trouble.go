package demo

import "time"

// cycle is after how long the same troubles come again.
const cycle = 8 * time.Minute

// trouble is what goes wrong at a moment.
type trouble struct {
	// database: the connection pool is exhausted, and requests fail for want of a
	// connection.
	database bool
	// divergence: the loss of the job that trains is not a number.
	divergence bool
	// slow: the models take long to begin their answers.
	slow bool
	// backlog: more is put into the queue than its workers take out.
	backlog bool
	// coldCache: the cache was emptied and misses.
	coldCache bool
}

// period is a part of a cycle.
type period struct{ from, until time.Duration }

func (p period) holds(at time.Duration) bool { return at >= p.from && at < p.until }

// The script of a cycle. All of it begins within two minutes, so that who has just
// started it sees each kind of alert; then there is calm.
var (
	databasePeriod   = period{20 * time.Second, 80 * time.Second}
	divergencePeriod = period{25 * time.Second, 40 * time.Second}
	slowPeriod       = period{45 * time.Second, 2 * time.Minute}
	backlogPeriod    = period{60 * time.Second, 150 * time.Second}
	coldCachePeriod  = period{75 * time.Second, 3 * time.Minute}
)

// troubleAt says what goes wrong so long after the start.
func troubleAt(elapsed time.Duration) trouble {
	at := elapsed % cycle

	return trouble{
		database:   databasePeriod.holds(at),
		divergence: divergencePeriod.holds(at),
		slow:       slowPeriod.holds(at),
		backlog:    backlogPeriod.holds(at),
		coldCache:  coldCachePeriod.holds(at),
	}
}
