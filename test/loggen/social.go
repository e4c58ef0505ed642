package loggen

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"llmwatch/bridge/logstore/entry"
)

// Social is another kind of log: the event stream of a social network, each a nested
// document full of identifiers, in the manner of the public JSONBench data.
type Social struct {
	rng   *rand.Rand
	clock clock
	users []string
	posts []post
	next  int // Where in posts the next one goes.
	words []string
}

type post struct{ uri, cid string }

const (
	base32    = "abcdefghijklmnopqrstuvwxyz234567"
	base32Tid = "234567abcdefghijklmnopqrstuvwxyz"
)

// NewSocial returns the events of a seed, the first one just after start.
func NewSocial(seed uint64, start time.Time) *Social {
	rng := rand.New(rand.NewPCG(seed, 2))
	s := &Social{rng: rng, clock: newClock(rng, start, 3*time.Millisecond)}
	s.users = words(rng, "did:plc:", base32, 24, 50_000)
	for range 2000 {
		s.words = append(s.words, word(rng, "eeeeaaaioutttnnsrrhldcmpgbfywkv", 2+rng.IntN(8)))
	}
	for i := range 20_000 {
		s.posts = append(s.posts, post{"at://" + s.user() + "/app.bsky.feed.post/" + tid(rng, start.UnixMicro()-int64(i)*1e6), s.cid()})
	}

	return s
}

// user is one of those that exist, some far busier than others, or a new one.
func (s *Social) user() string {
	if s.rng.IntN(10) == 0 {
		return "did:plc:" + word(s.rng, base32, 24)
	}

	return s.users[int(float64(len(s.users))*s.rng.Float64()*s.rng.Float64())]
}

func (s *Social) cid() string { return "bafyrei" + word(s.rng, base32, 52) }

// subject is a post that somebody likes, reposts or answers: mostly a recent one.
func (s *Social) subject() post {
	if s.rng.IntN(3) == 0 {
		return post{"at://" + s.user() + "/app.bsky.feed.post/" + tid(s.rng, int64(s.clock.now*1000)-s.rng.Int64N(1e11)), s.cid()}
	}

	return s.posts[int(float64(len(s.posts))*s.rng.Float64()*s.rng.Float64())]
}

// tid is a time in microseconds and a clock number, in 13 sortable letters.
func tid(rng *rand.Rand, micros int64) string {
	v := uint64(micros)<<10 | rng.Uint64N(1024)
	var b [13]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = base32Tid[v&31]
		v >>= 5
	}

	return string(b[:])
}

// Next implements Source. Nested keys are joined by dots, as intake does.
func (s *Social) Next(e *entry.Entry) {
	at := s.clock.next() + s.rng.Int64N(1000)*1000
	e.Time, e.Level, e.Logger, e.Message, e.Fields = at, entry.Info, "", "", e.Fields[:0]
	e.Fields = append(e.Fields, text("did", s.user()), integer("time_us", int(at/1000)))
	n := s.rng.IntN(100)
	if n == 0 {
		e.Fields = append(e.Fields, text("kind", "identity"), integer("identity.seq", 3_000_000_000+s.rng.IntN(100_000_000)))

		return
	}
	operation := "create"
	if n < 8 {
		operation = "delete"
	}
	collection := "app.bsky.feed.like"
	switch n = s.rng.IntN(100); {
	case n < 10:
		collection = "app.bsky.feed.post"
	case n < 17:
		collection = "app.bsky.feed.repost"
	case n < 55:
		collection = "app.bsky.graph.follow"
	}
	micros := at/1000 - s.rng.Int64N(400_000)
	key := tid(s.rng, micros)
	e.Fields = append(e.Fields, text("kind", "commit"), text("commit.rev", tid(s.rng, micros+s.rng.Int64N(200_000))),
		text("commit.operation", operation), text("commit.collection", collection), text("commit.rkey", key))
	if operation == "create" {
		s.record(e, collection, key, micros)
	}
}

// AppendLine implements Source: the document as it is before intake flattens it,
// which has neither level nor message.
func (s *Social) AppendLine(dst []byte, e *entry.Entry) []byte {
	var open []string // The objects that the last field was in.
	dst = append(dst, '{')
	for i, f := range e.Fields {
		path := strings.Split(f.Name, ".")
		in, key := path[:len(path)-1], path[len(path)-1]
		shared := 0
		for shared < min(len(open), len(in)) && open[shared] == in[shared] {
			shared++
		}
		dst = append(dst, strings.Repeat("}", len(open)-shared)...)
		if i > 0 {
			dst = append(dst, ',')
		}
		for _, object := range in[shared:] {
			dst = append(strconv.AppendQuote(dst, object), ":{"...)
		}
		open = in
		dst = append(strconv.AppendQuote(dst, key), ':')
		if f.Kind == entry.String {
			dst = strconv.AppendQuote(dst, f.Value)
		} else {
			dst = append(dst, f.Value...)
		}
	}

	return append(dst, strings.Repeat("}", len(open)+1)...)
}

func (s *Social) record(e *entry.Entry, collection, key string, micros int64) {
	cid := s.cid()
	created := time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000Z")
	e.Fields = append(e.Fields, text("commit.cid", cid), text("commit.record.$type", collection), text("commit.record.createdAt", created))
	switch collection {
	case "app.bsky.graph.follow":
		e.Fields = append(e.Fields, text("commit.record.subject", s.user()))
	case "app.bsky.feed.post":
		if s.rng.IntN(2) == 0 {
			root, parent := s.subject(), s.subject()
			e.Fields = append(e.Fields, text("commit.record.reply.root.uri", root.uri), text("commit.record.reply.root.cid", root.cid),
				text("commit.record.reply.parent.uri", parent.uri), text("commit.record.reply.parent.cid", parent.cid))
		}
		if language := pick(s.rng, []string{"en", "ja", "pt", "de", ""}); language != "" {
			e.Fields = append(e.Fields, entry.Field{Name: "commit.record.langs", Kind: entry.JSON, Value: "[" + strconv.Quote(language) + "]"})
		}
		e.Fields = append(e.Fields, text("commit.record.text", s.prose()))
		s.posts[s.next] = post{"at://" + e.Fields[0].Value + "/" + collection + "/" + key, cid}
		s.next = (s.next + 1) % len(s.posts)
	default:
		subject := s.subject()
		e.Fields = append(e.Fields, text("commit.record.subject.uri", subject.uri), text("commit.record.subject.cid", subject.cid))
	}
}

func (s *Social) prose() string {
	n := 3 + s.rng.IntN(25)
	list := make([]string, n)
	for i := range list {
		list[i] = pick(s.rng, s.words)
	}

	return strings.Join(list, " ")
}
