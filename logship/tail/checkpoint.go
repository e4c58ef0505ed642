package tail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// magic begins the first line of a checkpoint; the checksum of the rest follows.
const magic = "llmwatch-logship 1 "

// state is what has to outlive the process: a line of JSON in the checkpoint, and
// behind it the lines in flight.
type state struct {
	Client   string   `json:"client"`
	Next     uint64   `json:"next"`     // The number of the batch in flight, or of the next one.
	Patterns []string `json:"patterns"` // Whose files have been seen.
	Files    []saved  `json:"files"`

	// Part is how many bytes of the lines in flight are batch Next. The rest is for
	// later batches: the sink found all of them too large. 0 is all.
	Part int `json:"part,omitempty"`

	// Lines are read and perhaps not yet delivered. They are before all positions.
	Lines []byte `json:"-"`
}

// saved is a file in a checkpoint.
type saved struct {
	identity
	Born    int64     `json:"born,omitempty"`
	Path    string    `json:"path"`
	Current string    `json:"current"`
	Seen    time.Time `json:"seen"`
	At      position  `json:"at"`

	Copy bool         `json:"copy,omitempty"`
	Past []generation `json:"past,omitempty"`
}

// encode returns the content of a checkpoint before the lines.
func (s *state) encode() ([]byte, error) {
	head, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	head = append(head, '\n')
	sum := crc64.Update(crc64.Checksum(head, crcTable), crcTable, s.Lines)

	return append(fmt.Appendf(nil, "%s%016x\n", magic, sum), head...), nil
}

// decodeState reads what encode returned, with the lines behind.
func decodeState(text []byte) (*state, error) {
	first, rest, _ := bytes.Cut(text, []byte{'\n'})
	sum, found := strings.CutPrefix(string(first), magic)
	if !found {
		return nil, errors.New("it is not a checkpoint of this program")
	}
	if want, err := strconv.ParseUint(sum, 16, 64); err != nil || want != crc64.Checksum(rest, crcTable) {
		return nil, errors.New("it is damaged")
	}
	head, lines, _ := bytes.Cut(rest, []byte{'\n'})
	s := &state{Lines: lines}
	if err := json.Unmarshal(head, s); err != nil {
		return nil, err
	}
	if s.Client == "" || s.Next == 0 || s.Part < 0 || s.Part > len(lines) {
		return nil, errors.New("it makes no sense")
	}

	return s, nil
}

// sealedMagic is the first line of a checkpoint whose rest is sealed: a whole
// checkpoint, as it would be otherwise.
const sealedMagic = "llmwatch-logship sealed\n"

// Cipher keeps the lines in flight from those who read the checkpoint's bytes.
type Cipher interface {
	// Seal appends what Open turns back, given the same additional bytes.
	Seal(dst, plaintext, additional []byte) []byte
	Open(dst, sealed, additional []byte) ([]byte, error)
}

// load returns the state of a checkpoint, or nil if there is none.
func load(path string, cipher Cipher) (*state, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // There is nothing, and that is no error.
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	if sealed, ok := bytes.CutPrefix(text, []byte(sealedMagic)); ok {
		if cipher == nil {
			return nil, fmt.Errorf("read checkpoint %s: it is encrypted, and no key is configured", path)
		}
		if text, err = cipher.Open(nil, sealed, []byte(sealedMagic)); err != nil {
			return nil, fmt.Errorf("read checkpoint %s: %w", path, err)
		}
	}
	s, err := decodeState(text)
	if err != nil {
		return nil, fmt.Errorf("read checkpoint %s: %w; move it away to begin anew", path, err)
	}

	return s, nil
}

// store puts a checkpoint in the place of the one before, on disk when it returns.
func (s *state) store(path string, cipher Cipher) error {
	head, err := s.encode()
	switch {
	case err != nil:
	case cipher != nil:
		err = replaceFile(path, []byte(sealedMagic), cipher.Seal(nil, append(head, s.Lines...), []byte(sealedMagic)))
	default:
		err = replaceFile(path, head, s.Lines)
	}
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}

	return nil
}

func replaceFile(path string, parts ...[]byte) error {
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err == nil {
			_, err = f.Write(part)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()

	return dir.Sync()
}

// lockCheckpoint keeps a second process from following with the same checkpoint.
func lockCheckpoint(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock checkpoint: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()

		return nil, fmt.Errorf("lock checkpoint %s, which another process may use: %w", path, err)
	}

	return f, nil
}
