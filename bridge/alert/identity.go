package alert

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The parameters of 64-bit FNV-1a (RFC 9923), and the byte that ends each name
// and each value. It occurs in no UTF-8 text, so {a="bc"} and {ab="c"} differ.
const (
	fnvOffset      uint64 = 14695981039346656037
	fnvPrime       uint64 = 1099511628211
	labelSeparator        = 0xff
)

// Fingerprint identifies a set of labels: 64-bit FNV-1a over the names in order,
// each with its value and both ended by a byte 0xff, as 16 hexadecimal digits.
// It equals the fingerprint of Prometheus and Alertmanager.
func Fingerprint(labels map[string]string) string {
	hash := fnvOffset
	add := func(s string) {
		for i := range len(s) {
			hash = (hash ^ uint64(s[i])) * fnvPrime
		}
		hash = (hash ^ labelSeparator) * fnvPrime
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		add(name)
		add(labels[name])
	}
	digits := strconv.FormatUint(hash, 16)

	return strings.Repeat("0", 16-len(digits)) + digits
}

// The labels that are fields of an alert.
const (
	nameLabel     = "alertname"
	severityLabel = "severity"
)

// unnamed stands in for the name of an alert without `alertname`.
const unnamed = "unnamed"

// IDBase is what the ids of alerts of that name share that fired on one day
// (UTC): <name>_<YYYYMMDD>. An id is part of a path, so what is neither a letter
// nor a digit nor one of _ - . : becomes an underscore.
func IDBase(name string, firedAt time.Time) string {
	safe := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.:", r) {
			return r
		}

		return '_'
	}, name)

	return safe + "_" + firedAt.UTC().Format("20060102")
}

// numberedID is the nth id with that base, counted from 1.
func numberedID(base string, n int) string {
	if n == 1 {
		return base
	}

	return base + "_" + strconv.Itoa(n)
}

// Number is the alert's place among those with the same IDBase, from 1.
func (a *Alert) Number() int {
	suffix := strings.TrimPrefix(a.ID, IDBase(a.Name, a.FiredAt)+"_")
	if n, err := strconv.Atoi(suffix); err == nil {
		return n
	}

	return 1
}
