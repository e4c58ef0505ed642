package block

import (
	"github.com/cespare/xxhash/v2"
)

// The filter of a block tells which values are certainly not in it, from one page
// of it: a Bloom filter whose bits for one value all lie in one line of 64 bytes.
const (
	filterPage   = 4096 - sumSize - 60 // With its sum and a cipher's overhead, one page of a disk.
	filterLine   = 64
	filterBits   = 13 // For each value.
	filterProbes = 7
	// maxFiltered is the longest value that is looked up in the filter.
	maxFiltered = 128
)

func hash(b []byte) uint64 { return xxhash.Sum64(b) }

// fieldHash is the hash of a value of the field that has nameHash.
func fieldHash(nameHash uint64, value []byte) uint64 {
	h := hash(value) ^ nameHash*0x9e3779b97f4a7c15
	h ^= h >> 32

	return h * 0xd6e8feb86659fd93
}

// buildFilter returns the pages that hold hashes, none if there are none.
func buildFilter(hashes []uint64) [][]byte {
	if len(hashes) == 0 {
		return nil
	}
	lines := (len(hashes)*filterBits + filterLine*8 - 1) / (filterLine * 8)
	perPage := filterPage / filterLine
	count := (lines + perPage - 1) / perPage
	size := (lines + count - 1) / count * filterLine
	pages := make([][]byte, count)
	for i := range pages {
		pages[i] = make([]byte, size)
	}
	for _, h := range hashes {
		line := lineOf(pages[pageOf(h, count)], h)
		for k := range filterProbes {
			bit := probe(h, k)
			line[bit/8] |= 1 << (bit % 8)
		}
	}

	return pages
}

// pageOf returns the page of count that would hold h.
func pageOf(h uint64, count int) int { return int((h >> 32) * uint64(count) >> 32) }

// lineOf returns the line of the page that would hold h.
func lineOf(page []byte, h uint64) []byte {
	at := int((h>>20&0xffff)*uint64(len(page)/filterLine)>>16) * filterLine

	return page[at : at+filterLine]
}

// probe returns bit k of h in its line.
func probe(h uint64, k int) uint64 { return (h * 0x9e3779b97f4a7c15 >> (9 * k)) & 511 }

// holds reports whether a page may hold h.
func holds(page []byte, h uint64) bool {
	if len(page) < filterLine {
		return false
	}
	line := lineOf(page, h)
	for k := range filterProbes {
		if bit := probe(h, k); line[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}

	return true
}

// nameHash binds a value's hash to the name of its field.
func nameHash(name string) uint64 { return xxhash.Sum64String(name) }
