package tail

import "time"

// Stats count what a Follower has done since it began.
type Stats struct {
	Files          int       // Followed now.
	BehindBytes    int64     // In the files, and not yet read.
	ReadBytes      uint64    // Of the files.
	Entries        uint64    // Read.
	CutEntries     uint64    // Of them, those that were too long.
	RefusedEntries uint64    // Of them, those that the sink will never keep.
	Batches        uint64    // Delivered.
	Failures       uint64    // To deliver a batch.
	Truncations    uint64    // Of files.
	Delivered      time.Time // When a batch was delivered last.
}

// Stats returns the counts so far. It is safe for concurrent use.
func (f *Follower) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.stats
}

func (f *Follower) count(change func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()

	change(&f.stats)
}

// survey counts the files and what is in them.
func (f *Follower) survey() {
	var behind int64
	for _, t := range f.files {
		if t.judged {
			behind += max(0, t.size-t.at.Offset)
		}
	}
	f.count(func(s *Stats) { s.Files, s.BehindBytes = len(f.files), behind })
}
