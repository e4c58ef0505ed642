package logship

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// backup is a rotated file. Its number is its place among the backups.
type backup struct {
	compressed bool
	failed     bool // To be compressed again when the next file is rotated.
}

// backupPath returns the path of the backup with a number from 1 on.
func (f *File) backupPath(number int, compressed bool) string {
	path := f.path + "." + strconv.Itoa(number)
	if compressed {
		path += ".gz"
	}

	return path
}

func (f *File) temporaryPath() string { return f.path + ".gz.tmp" }

// findBackups takes over what an earlier process left. A compressed backup is
// complete, because it got its name last; its source may still be there.
func (f *File) findBackups() {
	_ = os.Remove(f.temporaryPath()) // Mostly there is none.
	for number := 1; ; number++ {
		plain, compressed := exists(f.backupPath(number, false)), exists(f.backupPath(number, true))
		if !plain && !compressed {
			return
		}
		if plain && compressed {
			_ = os.Remove(f.backupPath(number, false)) // If not, the next process tries again.
		}
		f.backups = append(f.backups, &backup{compressed: compressed})
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)

	return err == nil
}

// rotate makes the file the first backup and begins a new one. When a step fails
// those before it are undone, or harmless, so that no line is lost and no name
// is taken twice.
func (f *File) rotate() error {
	for keep := max(f.options.BackupCount-1, 0); len(f.backups) > keep; {
		last := len(f.backups)
		if err := remove(f.backupPath(last, f.backups[last-1].compressed)); err != nil {
			return err
		}
		f.backups = f.backups[:last-1]
	}
	for number := len(f.backups); number > 0; number-- {
		b := f.backups[number-1]
		err := os.Rename(f.backupPath(number, b.compressed), f.backupPath(number+1, b.compressed))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.unshift(number + 1)

			return fmt.Errorf("rotate log file: %w", err)
		}
	}
	if err := os.Rename(f.path, f.backupPath(1, false)); err != nil {
		f.unshift(1)
		if errors.Is(err, fs.ErrNotExist) {
			return f.open() // Somebody else has moved it.
		}

		return fmt.Errorf("rotate log file: %w", err)
	}
	if err := f.open(); err != nil {
		err = errors.Join(err, os.Rename(f.backupPath(1, false), f.path))
		f.unshift(1)

		return err
	}
	f.backups = append([]*backup{{}}, f.backups...)
	for _, b := range f.backups {
		b.failed = false
	}
	f.compress()

	return nil
}

// unshift gives the backups from a number on their names back.
func (f *File) unshift(from int) {
	for number := from; number <= len(f.backups); number++ {
		b := f.backups[number-1]
		// What has not got back stays under the higher number, and is found again by
		// the next process.
		_ = os.Rename(f.backupPath(number+1, b.compressed), f.backupPath(number, b.compressed))
	}
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove oldest log file: %w", err)
	}

	return nil
}

// compress sees to it that the worker is there if it has anything to do.
func (f *File) compress() {
	if f.options.Compress && !f.active && f.uncompressed() > 0 {
		f.active = true
		f.worker.Go(f.compressAll)
	}
}

// uncompressed returns the number of the oldest backup to compress, or 0.
func (f *File) uncompressed() int {
	for number := len(f.backups); number > 0; number-- {
		if b := f.backups[number-1]; !b.compressed && !b.failed {
			return number
		}
	}

	return 0
}

// compressAll is the worker. It holds the lock only to see and to change names:
// the backup that it reads may get another number, or be removed, meanwhile.
func (f *File) compressAll() {
	for {
		f.mu.Lock()
		number := f.uncompressed()
		if number == 0 {
			f.active = false
			f.mu.Unlock()

			return
		}
		b := f.backups[number-1]
		source, err := os.Open(f.backupPath(number, false))
		f.mu.Unlock()

		if err == nil {
			err = compressTo(f.temporaryPath(), source, f.options.Mode)
			source.Close()
		}

		f.mu.Lock()
		if err == nil {
			err = f.replace(b)
		}
		b.failed = err != nil
		f.mu.Unlock()
		if err != nil {
			_ = os.Remove(f.temporaryPath()) // It is overwritten next time anyway.
			f.options.OnError(fmt.Errorf("compress log file: %w", err))
		}
	}
}

// replace gives what was compressed the name of a backup.
func (f *File) replace(b *backup) error {
	for i, kept := range f.backups {
		if kept != b {
			continue
		}
		if err := os.Rename(f.temporaryPath(), f.backupPath(i+1, true)); err != nil {
			return err
		}
		b.compressed = true

		return os.Remove(f.backupPath(i+1, false))
	}

	return os.Remove(f.temporaryPath()) // It was the oldest, and has gone.
}

// compressTo writes a file of gzip that is on disk when it returns.
func compressTo(path string, source io.Reader, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer file.Close()

	packer := gzip.NewWriter(file)
	if _, err := io.Copy(packer, source); err != nil {
		return err
	}
	if err := packer.Close(); err != nil {
		return err
	}

	return file.Sync()
}
