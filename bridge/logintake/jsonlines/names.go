package jsonlines

import (
	"strings"

	"llmwatch/bridge/logstore/entry"
)

// role is what a field at the top may be beside a field: one of the four that
// every entry has.
type role uint8

const (
	asTime role = iota
	asLevel
	asLogger
	asMessage
	roles
	noRole = roles
)

// documented are the names of the four, others what loggers call them elsewhere,
// the likeliest first: they count where the documented one is missing.
var (
	documented = [roles]string{"timestamp", "level", "logger", "message"}
	others     = [roles][]string{
		asTime:    {"time", "ts", "@timestamp", "asctime"},
		asLevel:   {"severity", "lvl", "levelname"},
		asLogger:  {"name"},
		asMessage: {"msg"},
	}
)

// original marks a field that could not stand under its own name.
const original = "_original"

// reserved is the name under which answers show an entry's id.
const reserved = "_id"

// maxNames bounds what is remembered of names from one line to the next.
const maxNames = 10_000

// names remembers the keys of objects as a tree, in which keys are found without
// hashing as long as they come in the same order as on the line before.
type names struct {
	root  node
	ids   map[string]*identity
	count int
}

// node is a key of an object.
type node struct {
	key       string
	id        *identity
	sensitive bool
	// children are the keys below, if the value is an object. next is the key that
	// followed this one last, first the first key below.
	children    map[string]*node
	next, first *node
}

// identity is a name of fields; nested and dotted keys may have the same.
type identity struct {
	name string
	role role
	rank int    // Of the names for a role; 0 is the documented one.
	line uint64 // The line that at is of.
	at   int    // Index of the field.
}

// child returns the key below parent that follows prev, nil if it is not known.
func (t *names) child(parent, prev *node, key string) *node {
	likely := parent.first
	if prev != nil {
		likely = prev.next
	}
	if likely == nil || likely.key != key {
		likely = parent.children[key]
	}
	if likely != nil {
		follow(parent, prev, likely)
	}

	return likely
}

func follow(parent, prev, n *node) {
	if prev == nil {
		parent.first = n
	} else {
		prev.next = n
	}
}

// room reports whether a further key may become known.
func (t *names) room(parent *node, key string) bool {
	length := len(key)
	if parent != &t.root {
		length += len(parent.id.name) + 1
	}

	return length <= maxName && t.count <= 2*maxNames
}

// add makes a key known.
func (t *names) add(parent, prev *node, key string, clean func(string) (name string, sensitive bool)) *node {
	key = strings.Clone(key)
	name, sensitive := clean(key)
	if parent != &t.root {
		name = parent.id.name + "." + name
	}
	n := &node{key: key, id: t.identity(name, parent == &t.root), sensitive: sensitive || parent.sensitive}
	if parent.children == nil {
		parent.children = map[string]*node{}
	}
	parent.children[key] = n
	t.count++
	follow(parent, prev, n)

	return n
}

func (t *names) identity(name string, top bool) *identity {
	if name == reserved {
		name += original
	}
	if id, ok := t.ids[name]; ok {
		return id
	}
	if t.ids == nil {
		t.ids = map[string]*identity{}
	}
	id := &identity{name: name, role: noRole}
	t.ids[name] = id
	for r := range roles {
		if top && name == documented[r] {
			id.role = r
		}
		for rank, other := range others[r] {
			if top && name == other {
				id.role, id.rank = r, rank+1
			}
		}
	}

	return id
}

// forget empties the table when it has become large: names may come from outside
// without end.
func (t *names) forget() {
	if t.count > maxNames {
		*t = names{}
	}
}

// fields are those of the line that is being read.
type fields struct {
	line uint64
	list []entry.Field
	// named are the indexes in list, plus 1, of fields with a role, by rank.
	named   [roles][5]int
	omitted int
}

func (f *fields) reset() {
	f.line++
	f.list = f.list[:0]
	f.named = [roles][5]int{}
	f.omitted = 0
}

// set gives a field its value; the last one counts.
func (f *fields) set(id *identity, kind entry.Kind, value string) {
	if id.line == f.line {
		f.list[id.at].Kind, f.list[id.at].Value = kind, value

		return
	}
	if len(f.list) >= maxFields {
		f.omitted++

		return
	}
	id.line, id.at = f.line, len(f.list)
	f.list = append(f.list, entry.Field{Name: id.name, Kind: kind, Value: value})
	if id.role != noRole {
		f.named[id.role][id.rank] = len(f.list)
	}
}
