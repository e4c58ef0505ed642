package logstore

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"llmwatch/bridge/logstore/disk"
	"llmwatch/bridge/logstore/wal"
)

// version is that of the directory: which files there are and how they relate.
const version = 1

const versionName = "VERSION"

// versionFile says what wrote the directory. Check is a known text sealed with the
// cipher, so that another key is refused instead of taken for damage.
type versionFile struct {
	Version int    `json:"version"`
	Check   string `json:"check,omitempty"`
}

const checkText = "llmwatch log store"

// checkVersion refuses a directory that this version, or this key, cannot read.
// It marks a new one.
func (s *Store) checkVersion(files []disk.Info) error {
	i := slices.IndexFunc(files, func(f disk.Info) bool { return f.Name == versionName })
	if i < 0 {
		if slices.ContainsFunc(files, func(f disk.Info) bool {
			return strings.HasSuffix(f.Name, blockSuffix) || strings.HasSuffix(f.Name, segmentSuffix)
		}) {
			s.log.Warn("the file that tells the version of the log store is missing; this version is assumed", "file", versionName)
		}

		return s.writeVersion()
	}
	b, err := readAll(s.fs, versionName, files[i].Size)
	if err != nil {
		return err
	}
	var v versionFile
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("%s does not hold a version: %w", versionName, err)
	}
	switch {
	case v.Version > version:
		return fmt.Errorf("%w: it is of version %d, this program knows version %d at most", ErrNewer, v.Version, version)
	case v.Check == "" && s.cfg.Cipher != nil:
		return errors.New("it is not encrypted, but a key is configured")
	case v.Check != "" && s.cfg.Cipher == nil:
		return errors.New("it is encrypted, and no key is configured")
	case v.Check == "":
		return nil
	}
	sealed, err := base64.StdEncoding.DecodeString(v.Check)
	if err != nil {
		return fmt.Errorf("%s does not hold a check: %w", versionName, err)
	}
	if plain, err := s.cfg.Cipher.Open(nil, sealed, nil); err != nil || string(plain) != checkText {
		return errors.New("it is encrypted with another key")
	}

	return nil
}

func (s *Store) writeVersion() error {
	v := versionFile{Version: version}
	if s.cfg.Cipher != nil {
		v.Check = base64.StdEncoding.EncodeToString(s.cfg.Cipher.Seal(nil, []byte(checkText), nil))
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}

	return s.writeFile(versionName, append(b, '\n'))
}

// writeFile makes a file appear whole, durably, under its name.
func (s *Store) writeFile(name string, data []byte) error {
	temp := name + tempSuffix
	f, err := s.fs.Create(temp)
	if errors.Is(err, os.ErrExist) { // An attempt before failed, and to remove it failed too.
		if err = s.fs.Remove(temp); err == nil {
			f, err = s.fs.Create(temp)
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	f.Close()
	if err == nil {
		err = s.fs.Rename(temp, name)
	}
	if err != nil {
		_ = s.fs.Remove(temp) // The next attempt does it otherwise.

		return err
	}

	return s.fs.SyncDir()
}

func readAll(fs disk.FS, name string, size int64) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	return io.ReadAll(io.NewSectionReader(f, 0, size))
}

// recover makes the state of a store from its directory.
func (s *Store) recover() error {
	files, err := s.fs.List()
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name, tempSuffix) {
			if err := s.fs.Remove(f.Name); err != nil {
				return err
			}
		}
	}
	if err := s.checkVersion(files); err != nil {
		return err
	}
	s.next = 1
	s.recoverBlocks(files)
	var empty []string
	for _, f := range files {
		if strings.HasSuffix(f.Name, asideSuffix) {
			s.damaged[f.Name] = "it was set aside earlier"
		}
		first, generation, ok := parseName(f.Name, segmentSuffix)
		if !ok {
			continue
		}
		s.next, s.generation = max(s.next, first), max(s.generation, generation)
		h, err := s.recoverSegment(f)
		if err != nil {
			return err
		}
		if h.rows > 0 {
			s.frozen = append(s.frozen, h)
		} else {
			empty = append(empty, f.Name)
		}
	}
	if s.active, err = s.segment(s.cfg.Now()); err != nil {
		return err
	}
	for _, name := range empty { // The numbers of clients are in the new one now.
		if err := s.removeSegment(name); err != nil {
			return err
		}
	}

	return nil
}

// asideSuffix is added to the name of a damaged file when what is sound in it is
// kept elsewhere: somebody may want to rescue the rest.
const asideSuffix = ".damaged"

// removeSegment removes a file of the write-ahead log that is not needed any more.
func (s *Store) removeSegment(name string) error {
	s.mu.Lock()
	why, damaged := s.damaged[name]
	if damaged {
		delete(s.damaged, name)
		s.damaged[name+asideSuffix] = why
	}
	s.mu.Unlock()
	if damaged {
		return s.fs.Rename(name, name+asideSuffix)
	}

	return s.fs.Remove(name)
}

// recoverBlocks opens the blocks. One whose numbers a sound one covers was merged
// into it and is removed.
func (s *Store) recoverBlocks(files []disk.Info) {
	for _, f := range files {
		_, last, ok := parseName(f.Name, blockSuffix)
		if !ok {
			continue
		}
		s.next = max(s.next, last+1)
		h, err := s.open(f.Name, f.Size)
		if err != nil {
			s.leaveOut(f.Name, err)
			continue
		}
		s.blocks = append(s.blocks, h)
	}
	slices.SortFunc(s.blocks, byNumber)
	kept := s.blocks[:0]
	for _, h := range s.blocks { // A wider one comes first.
		if n := len(kept); n > 0 && h.last <= kept[n-1].last {
			h.drop()
			continue
		}
		kept = append(kept, h)
		s.blockBytes.Add(h.size)
	}
	s.blocks = kept
	for name := range maps.Clone(s.damaged) {
		if first, last, ok := parseName(name, blockSuffix); ok && s.covered(first, last) {
			delete(s.damaged, name)
			_ = s.fs.Remove(name) // What it held is in a sound one; it is tried again at the next start.
		}
	}
}

func (s *Store) leaveOut(name string, err error) {
	s.damaged[name] = err.Error()
	s.log.Error("a damaged file of the log store is left out", "file", name, "error", err)
}

// covered reports whether a block stands for the numbers from first to last.
func (s *Store) covered(first, last uint64) bool {
	i, found := slices.BinarySearchFunc(s.blocks, first, func(h *handle, first uint64) int {
		switch {
		case h.last < first:
			return -1
		case h.first > first:
			return 1
		}

		return 0
	})

	return found && last <= s.blocks[i].last
}

// recoverSegment reads a file of the write-ahead log. What blocks cover is left
// out: the process stopped after sealing and before removing the file.
func (s *Store) recoverSegment(f disk.Info) (*head, error) {
	h := &head{name: f.Name, size: f.Size, since: s.cfg.Now()}
	file, err := s.fs.Open(f.Name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	report, err := wal.Read(file, f.Size, s.cfg.Cipher, func(r wal.Record) error {
		if err := s.replay(h, r); err != nil {
			s.leaveOut(f.Name, fmt.Errorf("record of entry %d: %w", r.Seq, err))
		}

		return nil
	})
	if err != nil {
		if !isDamage(err) {
			return nil, fmt.Errorf("read %s: %w", f.Name, err)
		}
		s.leaveOut(f.Name, err)
	}
	for _, d := range report.Damaged {
		s.leaveOut(f.Name, fmt.Errorf("bytes %d to %d of the write-ahead log are damaged", d[0], d[1]))
	}
	if report.Torn > 0 {
		s.log.Warn("the end of the write-ahead log was not written whole; nothing in it was acknowledged", "file", f.Name, "bytes", report.Torn)
	}

	return h, nil
}

// replay takes a record into memory.
func (s *Store) replay(h *head, r wal.Record) error {
	switch r.Kind {
	case kindClients:
		return s.clients.unmarshal(r.Body)
	case kindEntries:
	default:
		return fmt.Errorf("kind %d is not known", r.Kind)
	}
	client, number, rest, err := parseClient(r.Body)
	if err != nil {
		return err
	}
	seq := r.Seq
	var more []chunk
	for len(rest) > 0 {
		var c chunk
		if c, rest, err = parseChunk(rest); err != nil {
			return err
		}
		c.first = seq
		seq += uint64(c.count)
		if err := c.verify(); err != nil {
			return err
		}
		if !s.covered(c.first, seq-1) {
			more = append(more, c)
		}
	}
	if seq != r.Seq+uint64(r.Count) {
		return errBody
	}
	if client != "" {
		s.clients.keep(client, number, s.cfg.Now())
	}
	*h = *h.with(more)
	s.next = max(s.next, seq)

	return nil
}

// byNumber orders blocks by their first number, the wider one first.
func byNumber(a, b *handle) int {
	switch {
	case a.first != b.first:
		if a.first < b.first {
			return -1
		}

		return 1
	case a.last != b.last:
		if a.last > b.last {
			return -1
		}

		return 1
	}

	return 0
}

func without(all []*handle, gone ...*handle) []*handle {
	return slices.DeleteFunc(slices.Clone(all), func(h *handle) bool { return slices.Contains(gone, h) })
}
