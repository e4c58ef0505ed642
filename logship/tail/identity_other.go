//go:build !linux

package tail

import "os"

func statPath(path string) (status, error) {
	info, err := os.Stat(path)
	if err != nil {
		return status{}, err
	}

	return portableStatus(info), nil
}

func statFile(f *os.File) (status, error) {
	info, err := f.Stat()
	if err != nil {
		return status{}, err
	}

	return portableStatus(info), nil
}
