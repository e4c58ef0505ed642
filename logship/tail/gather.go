package tail

import "time"

// endedAfter is how long the last line of a file that was rotated may wait for its
// end. After that it is an entry as it is.
const endedAfter = 5 * time.Second

// How far the end of what is in a file was tried as an entry.
const (
	untried = iota
	triedOpen
	triedQuiet
	triedEnded
)

// gather reads what has come into a batch, until that is full or there is no more.
// The positions move with it. Flush does not wait for lines that may belong to an
// entry.
func (f *Follower) gather(now time.Time, flush bool) {
	start := f.turn
	for more := true; more; {
		more = false
		for i := range f.files {
			if len(f.lines) >= f.limit {
				f.turn = start + i // Who was left out is first next time.

				return
			}
			t := f.files[(start+i)%len(f.files)]
			if t.handle == nil || !t.judged {
				continue
			}
			got, err := f.take(t, now, flush)
			f.report(t.current, err)
			more = more || got
		}
	}
}

// take reads a piece of a file, and tells whether there was any.
func (f *Follower) take(t *file, now time.Time, flush bool) (got bool, err error) {
	if _, err := t.refresh(now); err != nil {
		return false, err
	}
	try := triedOpen
	switch idle := now.Sub(t.grown); {
	case t.ended() && idle >= endedAfter:
		try = triedEnded
	case flush || idle >= f.options.Quiet:
		try = triedQuiet
	}
	if t.tried >= try {
		return false, nil
	}
	before, data, same, err := t.read(f.buf)
	if err != nil {
		return false, err
	}
	if !same {
		f.truncated(t)

		return true, nil
	}
	if data == nil {
		return false, nil // It is changing right now.
	}
	whole := len(before)+len(data) < len(f.buf)
	size, full := f.append(t, data, try, whole, now)
	if whole && !full {
		t.tried = try
	}
	if size == 0 {
		return false, nil
	}
	end := len(before) + size
	t.at.advance(t.at.Offset+int64(size), f.buf[:end])
	f.count(func(s *Stats) { s.ReadBytes += uint64(size) })

	return true, nil
}

// append adds the entries at the beginning of data to the batch, and returns how
// much of it they are. Whole says that data goes on to the end of the file.
func (f *Follower) append(t *file, data []byte, try int, whole bool, now time.Time) (size int, full bool) {
	quiet, ended := whole && try >= triedQuiet, whole && try >= triedEnded
	for size < len(data) {
		if t.at.Rest {
			_, n := line(data[size:], false)
			if n == 0 {
				return len(data), false
			}
			size += n
			t.at.Rest = false

			continue
		}
		p := f.split.next(data[size:], quiet, ended)
		if p.size == 0 {
			return size, false
		}
		if len(p.text) > 0 {
			f.scratch = f.encode.append(f.scratch[:0], p, t.label, now)
			if len(f.lines) > 0 && len(f.lines)+len(f.scratch) > MaxBatchBytes {
				return size, true
			}
			f.lines = append(f.lines, f.scratch...)
			f.count(func(s *Stats) {
				s.Entries++
				if p.cut {
					s.CutEntries++
				}
			})
		}
		size += p.size
		t.at.Rest = p.rest
		if len(f.lines) >= f.limit {
			return size, true
		}
	}

	return size, false
}

// truncated begins anew in a file that was emptied.
func (f *Follower) truncated(t *file) {
	f.log.Info("file was truncated", "file", t.current, "offset", t.at.Offset)
	t.truncate()
	f.dirty = true
	f.count(func(s *Stats) { s.Truncations++ })
}
