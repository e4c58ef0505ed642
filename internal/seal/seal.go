// Package seal encrypts what is kept on disk, with AES-256-GCM under keys that the
// operator gives.
//
// A key is never used itself: each process derives one of its own from it and a
// random salt (HKDF with SHA-256, RFC 5869), and counts its messages. So no nonce is
// ever used twice, however many messages there are and however often a process is
// started, which random nonces of 96 bits could not promise.
//
// A sealed message is the salt (16 bytes), the number of the message (8), the
// ciphertext, and its tag (16). Which key it was sealed with shows by the first 4
// bytes of the salt, which depend on the key.
//
// It must not know what is sealed or where it is kept.
package seal

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	// KeySize is the length of a key in bytes.
	KeySize = 32

	idSize    = 4
	saltSize  = 16 // The key's id included.
	countSize = 8
	nonceSize = 12
	tagSize   = 16
	overhead  = saltSize + countSize + tagSize

	// maxDerived bounds the keys of other processes that are kept in memory. Each
	// start of the program makes one.
	maxDerived = 64
)

// ErrKey says that a message cannot be opened: it was sealed with a key that is not
// there, or altered.
var ErrKey = errors.New("it was sealed with another key, or altered")

type salt [saltSize]byte

// Keys seal with the first of them and open with any. They are safe for use by
// several goroutines.
type Keys struct {
	keys map[[idSize]byte][]byte

	own     salt
	sealing cipher.AEAD
	count   atomic.Uint64

	mu      sync.Mutex // Guards derived.
	derived map[salt]cipher.AEAD
}

// Parse reads keys, one a line: 32 bytes in base64 or hexadecimal. The first seals;
// the others only open what was sealed before keys were changed. Empty lines and
// those that begin with # do not count. No error holds any of the text.
func Parse(text []byte) (*Keys, error) {
	k := &Keys{keys: map[[idSize]byte][]byte{}, derived: map[salt]cipher.AEAD{}}
	var first []byte
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, ok := decode(string(line))
		if !ok {
			return nil, fmt.Errorf("line %d is no key: it must be %d bytes in base64 or hexadecimal, as of `openssl rand -base64 %d`", n, KeySize, KeySize)
		}
		if first == nil {
			first = key
		}
		k.keys[idOf(key)] = key
	}
	if lines.Err() != nil || first == nil {
		return nil, fmt.Errorf("there is no key: one of %d bytes in base64 is wanted, as of `openssl rand -base64 %d`", KeySize, KeySize)
	}
	rand.Read(k.own[:])
	id := idOf(first)
	copy(k.own[:], id[:])
	var err error
	k.sealing, err = derive(first, k.own)

	return k, err
}

func decode(text string) ([]byte, bool) {
	for _, read := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := read(text); err == nil && len(key) == KeySize {
			return key, true
		}
	}

	return nil, false
}

// idOf tells keys apart and says nothing of them.
func idOf(key []byte) (id [idSize]byte) {
	sum := sha256.Sum256(append([]byte("llmwatch key id\x00"), key...))

	return [idSize]byte(sum[:idSize])
}

func derive(key []byte, s salt) (cipher.AEAD, error) {
	own, err := hkdf.Key(sha256.New, key, s[:], "llmwatch data at rest", KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}

	return cipher.NewGCM(block)
}

// Overhead is how much longer a sealed message is.
func (k *Keys) Overhead() int { return overhead }

// Seal appends the sealed message to dst. Who opens it must give the same additional
// bytes, which are not kept.
func (k *Keys) Seal(dst, plaintext, additional []byte) []byte {
	n := k.count.Add(1)
	dst = append(dst, k.own[:]...)
	dst = binary.BigEndian.AppendUint64(dst, n)

	return k.sealing.Seal(dst, nonce(n), plaintext, additional)
}

// Open appends what was sealed to dst, or returns ErrKey.
func (k *Keys) Open(dst, sealed, additional []byte) ([]byte, error) {
	if len(sealed) < overhead {
		return nil, fmt.Errorf("a sealed message has at least %d bytes, not %d", overhead, len(sealed))
	}
	opening, err := k.opening(salt(sealed[:saltSize]))
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(sealed[saltSize:])
	plain, err := opening.Open(dst, nonce(n), sealed[saltSize+countSize:], additional)
	if err != nil {
		return nil, ErrKey
	}

	return plain, nil
}

func nonce(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, nonceSize-countSize, nonceSize), n)
}

// opening returns what opens the messages of the process with that salt.
func (k *Keys) opening(s salt) (cipher.AEAD, error) {
	if s == k.own {
		return k.sealing, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.derived[s]; known != nil {
		return known, nil
	}
	key := k.keys[[idSize]byte(s[:idSize])]
	if key == nil {
		return nil, ErrKey
	}
	made, err := derive(key, s)
	if err != nil {
		return nil, err
	}
	if len(k.derived) >= maxDerived {
		clear(k.derived)
	}
	k.derived[s] = made

	return made, nil
}
