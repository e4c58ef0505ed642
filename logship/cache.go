package logship

import (
	"math/bits"
	"strings"
	"sync/atomic"
)

const (
	// cacheSlots bounds a cache. Programs have a few hundred distinct keys.
	cacheSlots = 1024

	// maxCachedKeyBytes keeps keys that are really data out of a cache.
	maxCachedKeyBytes = 64
)

// cache remembers what was worked out about a key. It has a slot for each hash,
// so it is bounded whatever keys come from outside, and needs no lock: who
// finds another key in its slot replaces it.
type cache[V any] struct {
	slots [cacheSlots]atomic.Pointer[cached[V]]
}

type cached[V any] struct {
	key   string
	value V
}

// find returns what is known about key, or nil, and the hash to store it under.
func (c *cache[V]) find(key string) (*V, uint64) {
	hash := hashKey(key)
	if e := c.slots[hash%cacheSlots].Load(); e != nil && e.key == key {
		return &e.value, hash
	}

	return nil, hash
}

// store remembers value, unless the key is too long, and returns where it is. It
// keeps no memory of the caller's key.
func (c *cache[V]) store(hash uint64, key string, value V) *V {
	e := &cached[V]{key: strings.Clone(key), value: value}
	if len(key) <= maxCachedKeyBytes {
		c.slots[hash%cacheSlots].Store(e)
	}

	return &e.value
}

// hashKey hashes the length of a key and what is at its ends and in its middle:
// all of it, if it is no longer than 16 bytes. A collision costs a cache miss,
// so neither more nor a secret seed is worth its time.
func hashKey(s string) uint64 {
	n := len(s)
	var a, b uint64
	switch {
	case n > 16:
		a, b = load(s[:8])^bits.RotateLeft64(load(s[n/2-4:n/2+4]), 17), load(s[n-8:])
	case n >= 8:
		a, b = load(s[:8]), load(s[n-8:])
	default:
		for i := range n {
			a = a<<8 | uint64(s[i])
		}
	}
	// Multiplying by odd numbers without a pattern spreads each bit upwards.
	h := (a*0x9E3779B97F4A7C15 ^ bits.RotateLeft64(b, 31) ^ uint64(n)) * 0xD6E8FEB86659FD93

	return h ^ h>>32
}

// load returns 8 bytes as a number, which is one instruction.
func load(s string) uint64 {
	_ = s[7]

	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
