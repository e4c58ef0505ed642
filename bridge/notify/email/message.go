package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/notify"
)

// maxShort bounds the text of a mail that was refused in its full length, in bytes.
const maxShort = 2000

// compose makes the mail. It returns one also where an own template failed.
func (n *Notifier) compose(note alert.Notification, extra alert.Extra) (*gomail.Msg, error) {
	data := notify.NewData(note, extra)
	subject, subjectErr := n.templates.Subject(data)
	text, textErr := n.templates.Text(data)
	html, htmlErr := n.templates.HTML(data)

	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(n.from)
	m.ToMailAddress(n.to...)
	m.Subject(subject)
	if note.Progress.Short {
		text = notify.Truncate(text, maxShort)
	}
	m.SetBodyString(gomail.TypeTextPlain, text)
	if !note.Progress.Short {
		m.AddAlternativeString(gomail.TypeTextHTML, html)
	}
	if len(extra.Chart) > 0 && !note.Progress.Short {
		m.EmbedReadSeeker("chart.png", bytes.NewReader(extra.Chart),
			gomail.WithFileContentID("<"+notify.ChartID+">"), gomail.WithFileContentType("image/png"))
	}
	// Automatic answers such as "out of office" are not wanted (RFC 3834).
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	if data.Firing && data.Alert.Severity == string(alert.Critical) {
		m.SetImportance(gomail.ImportanceHigh)
	}
	if !note.OwedAt.IsZero() {
		m.SetDateWithValue(note.OwedAt.UTC())
	}
	m.SetMessageIDWithValue(n.messageID("message", note.Key))
	if thread := n.thread(note); thread != "" {
		m.SetGenHeader(gomail.HeaderInReplyTo, thread)
		m.SetGenHeader(gomail.HeaderReferences, thread)
	}

	return m, errors.Join(subjectErr, textErr, htmlErr)
}

// thread is what all mails about an alert refer to, so that mail programs show
// them under each other, the firing on top. It is an identification that no mail
// has: the first mail about an alert may have been a digest, or one that never
// arrived.
func (n *Notifier) thread(note alert.Notification) string {
	if len(note.Alerts) != 1 || note.Kind == alert.KindDigest || note.Kind == alert.KindTest {
		return ""
	}

	return "<" + n.messageID("thread", note.Installation+note.Alerts[0].ID+"/"+note.Channel) + ">"
}

// messageID is the same for the same key: a server that gets a mail twice can
// tell, and the key cannot bring anything into the header.
func (n *Notifier) messageID(use, key string) string {
	sum := sha256.Sum256([]byte(use + "\x00" + key))
	domain := n.from.Address[strings.LastIndexByte(n.from.Address, '@')+1:]

	return hex.EncodeToString(sum[:16]) + "@" + domain
}
