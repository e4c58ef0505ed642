package logship

import (
	"maps"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// maxSources bounds the cache of log statements. It is far above what programs
// have; the statements beyond it are resolved each time.
const maxSources = 1 << 14

// sources resolves program counters to the fields module, function and line,
// once each. Readers take no lock: the map is replaced, never changed.
type sources struct {
	byPC atomic.Pointer[map[uintptr][]byte]
	mu   sync.Mutex // Serialises the replacement.
}

func newSources() *sources {
	s := &sources{}
	s.byPC.Store(&map[uintptr][]byte{})

	return s
}

// fields returns the three members, each with a comma before it.
func (s *sources) fields(pc uintptr) []byte {
	if text, ok := (*s.byPC.Load())[pc]; ok {
		return text
	}
	text := sourceFields(pc)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.byPC.Load()
	if len(known) < maxSources {
		more := maps.Clone(known)
		more[pc] = text
		s.byPC.Store(&more)
	}

	return text
}

func sourceFields(pc uintptr) []byte {
	var frame runtime.Frame
	if pc != 0 {
		frame, _ = runtime.CallersFrames([]uintptr{pc}).Next()
	}
	module := path.Base(frame.File)
	if frame.File == "" {
		module = ""
	}
	text := append([]byte(nil), `,"module":`...)
	text = AppendString(text, strings.TrimSuffix(module, path.Ext(module)))
	text = append(text, `,"function":`...)
	text = AppendString(text, bareFunction(frame.Function))
	text = append(text, `,"line":`...)

	return strconv.AppendInt(text, int64(frame.Line), 10)
}

// bareFunction returns the name of a function without its package, receiver and
// type parameters. A function literal goes by the function that it is in.
func bareFunction(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	if i := strings.IndexByte(name, '['); i >= 0 {
		name = name[:i] + name[strings.LastIndexByte(name, ']')+1:]
	}
	_, name, _ = strings.Cut(name, ".")
	for {
		i := strings.LastIndexByte(name, '.')
		if i < 0 || !isLiteralName(name[i+1:]) {
			break
		}
		name = strings.TrimRight(name[:i], ".")
	}

	return strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
}

// isLiteralName tells the names that the compiler gives: func1, 2, gowrap1,
// deferwrap1, func1-range1, and nothing at all for a type parameter cut out.
func isLiteralName(name string) bool {
	for _, prefix := range [...]string{"func", "gowrap", "deferwrap", ""} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			rest, _, _ = strings.Cut(rest, "-range")
			if strings.Trim(rest, "0123456789") == "" && (rest != "" || prefix == "") {
				return true
			}
		}
	}

	return false
}
