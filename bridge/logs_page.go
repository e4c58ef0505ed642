package bridge

import (
	"net/http"
	"strconv"

	"llmwatch/bridge/logstore"
	"llmwatch/bridge/logstore/entry"
)

// idField holds the id of an entry in answers, otherID what the entry itself has
// of that name.
const (
	idField = "_id"
	otherID = "_id_original"
)

// appendEntry appends an entry as JSON, with its id.
func appendEntry(dst []byte, at entry.Position, e *entry.Entry) []byte {
	for i := range e.Fields {
		if e.Fields[i].Name == idField {
			e.Fields[i].Name = otherID
		}
	}
	dst = entry.AppendJSON(dst, e)
	dst = append(dst[:len(dst)-1], `,"`+idField+`":"`...)
	dst = append(dst, at.String()...)

	return append(dst, `"}`...)
}

// pageBuffer is how much of a page waits for an error before the answer begins.
const pageBuffer = 256 << 10

// entryPage writes the documented envelope around entries as they are found, in
// bounded memory: a page of long entries may be large.
type entryPage struct {
	w     http.ResponseWriter
	buf   []byte
	count int
}

func newEntryPage(w http.ResponseWriter) *entryPage {
	return &entryPage{w: w, buf: []byte(`{"success":true,"data":[`)}
}

// add takes an entry and sends nothing: who reads slowly must not have others wait
// who search.
func (p *entryPage) add(at entry.Position, e *entry.Entry) error {
	if p.count > 0 {
		p.buf = append(p.buf, ',')
	}
	p.count++
	p.buf = appendEntry(p.buf, at, e)
	if len(p.buf) < pageBuffer {
		return nil
	}

	return logstore.ErrEnough
}

// send is add for what cannot be done in pieces.
func (p *entryPage) send(at entry.Position, e *entry.Entry) error {
	if p.add(at, e) == nil {
		return nil
	}

	return p.flush()
}

func (p *entryPage) flush() error {
	h := p.w.Header() // They count for the first write.
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, err := p.w.Write(p.buf)
	p.buf = p.buf[:0]

	return err
}

// end writes the rest; more are further members of the envelope.
func (p *entryPage) end(more string) error {
	p.buf = append(p.buf, `],"count":`...)
	p.buf = strconv.AppendInt(p.buf, int64(p.count), 10)
	p.buf = append(p.buf, more...)
	p.buf = append(p.buf, "}\n"...)
	_ = p.flush() // Fails only if the client has gone.

	return nil
}
