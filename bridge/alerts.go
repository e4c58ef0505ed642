package bridge

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"llmwatch/bridge/alert"
	"llmwatch/bridge/metrics"
)

// Alerts is what people do with alerts. *alert.Manager does.
type Alerts interface {
	Observer
	Close(ctx context.Context, id, by, comment string) error
	ChangeRule(ctx context.Context, c alert.RuleChange) error
	Acknowledge(ctx context.Context, id, by, comment string, lasts time.Duration) (alert.Alert, error)
	Test(ctx context.Context, channel string) (alert.Result, error)
	Channels() map[string]alert.ChannelState
	Subscribe() (changes <-chan *alert.Alert, cancel func())
}

// alertView is an alert as the API shows it.
type alertView struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Severity    alert.Severity `json:"severity"`
	Status      alert.Status   `json:"status"`
	CreatedAt   metrics.Time   `json:"created_at"`
	UpdatedAt   metrics.Time   `json:"updated_at"`
	FiredAt     metrics.Time   `json:"fired_at"`
	ResolvedAt  metrics.Time   `json:"resolved_at"`
	Ack         *ackView       `json:"acknowledgement"`
	Flaps       int            `json:"flaps"`
	Unjudged    *unjudgedView  `json:"unjudged"`
	Origin      alert.Origin   `json:"origin"`
	Ending      *alert.Ending  `json:"ending"`
	// LabelText are the labels that tell it apart, as short text.
	LabelText string        `json:"label_text"`
	Metadata  alertMetadata `json:"metadata"`
	Timeline  []eventView   `json:"timeline,omitempty"`
}

type ackView struct {
	By        string       `json:"by"`
	Comment   string       `json:"comment"`
	At        metrics.Time `json:"at"`
	ExpiresAt metrics.Time `json:"expires_at"`
}

// unjudgedView says that nobody can tell whether the alert still fires.
type unjudgedView struct {
	Since  metrics.Time `json:"since"`
	Reason string       `json:"reason"`
}

type alertMetadata struct {
	// Metrics is the summary of the hour before the alert fired.
	Metrics     json.RawMessage   `json:"metrics"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	// Value is null where it is not known.
	Value *float64 `json:"value"`
}

type eventView struct {
	At      metrics.Time    `json:"at"`
	Kind    alert.EventKind `json:"kind"`
	By      string          `json:"by,omitempty"`
	Channel string          `json:"channel,omitempty"`
	Text    string          `json:"text,omitempty"`
}

// maxLabelText bounds the text of an alert's labels, in bytes.
const maxLabelText = 200

// viewAlert shows an alert. common are the labels that its text leaves out.
func viewAlert(a *alert.Alert, common map[string]string) alertView {
	v := alertView{
		ID:          a.ID,
		Name:        a.Name,
		Description: a.Description,
		Severity:    a.Severity,
		Status:      a.Status,
		CreatedAt:   metrics.Time{Time: a.StartsAt},
		UpdatedAt:   metrics.Time{Time: a.UpdatedAt},
		FiredAt:     metrics.Time{Time: a.FiredAt},
		ResolvedAt:  metrics.Time{Time: a.ResolvedAt},
		Flaps:       a.Flaps,
		Origin:      a.Origin,
		LabelText:   alert.LabelText(a.Labels, common, maxLabelText),
		Metadata:    alertMetadata{Metrics: a.Summary, Labels: notNil(a.Labels), Annotations: notNil(a.Annotations), Value: a.Value},
	}
	if a.Unjudged != nil {
		v.Unjudged = &unjudgedView{metrics.Time{Time: a.Unjudged.Since}, a.Unjudged.Reason}
	}
	if a.Ending.Kind != "" {
		v.Ending = &a.Ending
	}
	if a.Ack != nil {
		v.Ack = &ackView{a.Ack.By, a.Ack.Comment, metrics.Time{Time: a.Ack.At}, metrics.Time{Time: a.Ack.ExpiresAt}}
	}

	return v
}

func notNil(set map[string]string) map[string]string {
	if set == nil {
		return map[string]string{}
	}

	return set
}

// answerPage answers with the documented envelope, one alert after the other:
// ten thousand of them are several times as large in JSON as in memory.
func answerPage(w http.ResponseWriter, page alert.Page, cursor bool) error {
	tail := fmt.Sprintf(`],"count":%d}`, len(page.Alerts))
	if cursor {
		next, err := json.Marshal(&page.Next)
		if err != nil {
			return err
		}
		if page.Next == "" {
			next = []byte("null")
		}
		tail = fmt.Sprintf(`],"count":%d,"next_cursor":%s}`, len(page.Alerts), next)
	}
	out := bufio.NewWriterSize(w, pageBuffer)
	announceJSON(w.Header())
	// What cannot be written is told by Flush.
	fmt.Fprint(out, `{"success":true,"data":[`)
	between := ""
	var common map[string]string
	if !cursor { // Pages of one list must show the same labels.
		common = alert.CommonLabels(page.Alerts)
	}
	for i := range page.Alerts {
		text, err := json.Marshal(viewAlert(&page.Alerts[i], common))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s%s", between, text)
		between = ","
	}
	fmt.Fprintln(out, tail)

	return out.Flush()
}

var unresolved = []alert.Status{alert.Triggered, alert.Active, alert.Acknowledged}

// alerts lists what is not resolved.
func (s *server) alerts(w http.ResponseWriter, r *http.Request) error {
	filter, err := alertFilter(r, maxLimit, unresolved...)
	if err != nil {
		return err
	}
	page, err := s.AlertStore.List(r.Context(), filter)
	if err != nil {
		return err
	}

	return answerPage(w, page, false)
}

// historyPage is how many alerts a page of history holds unless asked for.
const historyPage = 100

// alertHistory lists resolved ones too, page by page.
func (s *server) alertHistory(w http.ResponseWriter, r *http.Request) error {
	filter, err := s.historyFilter(r)
	if err != nil {
		return err
	}
	filter.Cursor = r.URL.Query().Get("cursor")
	page, err := s.AlertStore.List(r.Context(), filter)
	if errors.Is(err, alert.ErrBadCursor) {
		return invalidParameter(fmt.Sprintf("cursor must be the next_cursor of the page before, got %q", short(filter.Cursor)))
	}
	if err != nil {
		return err
	}

	return answerPage(w, page, true)
}

// historyFilter reads the parameters of the history but its cursor.
func (s *server) historyFilter(r *http.Request) (alert.Filter, error) {
	filter, err := alertFilter(r, historyPage, append([]alert.Status{alert.Resolved}, unresolved...)...)
	if err != nil {
		return alert.Filter{}, err
	}
	for name, into := range map[string]*time.Time{"since": &filter.Since, "until": &filter.Until} {
		if *into, err = moment(r.URL.Query(), name, s.Now()); err != nil {
			return alert.Filter{}, err
		}
	}

	return filter, nil
}

// alertFilter reads the parameters that both lists have.
func alertFilter(r *http.Request, limit int, statuses ...alert.Status) (alert.Filter, error) {
	q := r.URL.Query()
	n, err := wholeNumber(q, "limit", limit, 1, maxLimit)
	if err != nil {
		return alert.Filter{}, err
	}
	f := alert.Filter{Names: slices.DeleteFunc(q["name"], func(name string) bool { return name == "" }), Limit: n}
	if f.Statuses, err = someOf(q, "status", statuses...); err != nil {
		return alert.Filter{}, err
	}
	if f.Statuses == nil {
		f.Statuses = statuses
	}
	if f.Severities, err = someSeverities(q); err != nil {
		return alert.Filter{}, err
	}

	return f, nil
}

// someSeverities reads the parameter severity, by whatever name others know one.
func someSeverities(q url.Values) ([]alert.Severity, error) {
	words := listed(q, "severity")
	if len(words) == 0 && q.Has("severity") {
		words = q["severity"] // It is empty, which is none of them.
	}
	chosen := make([]alert.Severity, len(words))
	for i, word := range words {
		var known bool
		if chosen[i], known = alert.ParseSeverity(word); !known || strings.TrimSpace(word) == "" {
			return nil, invalidParameter(fmt.Sprintf("severity must be some of critical, high, medium, low, got %q", short(word)))
		}
	}

	return chosen, nil
}

// alert shows one with its timeline.
func (s *server) alert(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	found, err := s.AlertStore.Alerts(r.Context(), []string{id})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return noSuchAlert(id)
	}
	events, err := s.AlertStore.Timeline(r.Context(), id)
	if err != nil {
		return err
	}
	v := viewAlert(&found[0], nil)
	v.Timeline = make([]eventView, len(events))
	for i, e := range events {
		v.Timeline[i] = eventView{metrics.Time{Time: e.At}, e.Kind, e.By, e.Channel, e.Text}
	}

	return answerJSON(w, single{Success: true, Data: v})
}

func noSuchAlert(id string) error {
	return &Error{http.StatusNotFound, CodeNotFound, fmt.Sprintf("there is no alert %q; %s/alerts/history lists them", short(id), Base)}
}

const (
	maxSmallBody = 64 << 10
	maxAlertBody = 32 << 20
	// nobody is who acknowledged where the request does not say.
	nobody = "anonymous"
)

// acknowledge notes that somebody takes care of an alert.
func (s *server) acknowledge(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	var ask struct {
		Comment string `json:"comment"`
		By      string `json:"acknowledged_by"`
		Expires string `json:"expires_in"`
	}
	body, err := readBody(w, r, maxSmallBody)
	if err != nil {
		return err
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &ask); err != nil {
			return &Error{http.StatusBadRequest, CodeBadRequest, "the body must be a JSON object: " + err.Error()}
		}
	}
	var lasts time.Duration
	if ask.Expires != "" {
		if lasts, err = alert.ParseDuration(ask.Expires); err != nil || lasts <= 0 {
			return invalidParameter(fmt.Sprintf("expires_in must be a duration such as 30m or 2h, got %q", short(ask.Expires)))
		}
	}
	ask.By = signed(r, ask.By)
	_, err = s.Alerts.Acknowledge(r.Context(), id, ask.By, ask.Comment, lasts)
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return noSuchAlert(id)
	case errors.Is(err, alert.ErrResolved):
		return &Error{http.StatusConflict, CodeResolved, "alert " + id + " is already resolved"}
	case err != nil:
		return err
	}

	return answerJSON(w, struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}{true, "Alert " + id + " acknowledged"})
}

// signed is who does something: whoever is known cannot sign for somebody else.
func signed(r *http.Request, by string) string {
	if caller := exchangeOf(r.Context()).caller; caller != nil {
		return caller.Name
	}

	return cmp.Or(by, nobody)
}

// closeAlert ends an alert because somebody says so.
func (s *server) closeAlert(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	var ask struct {
		Comment string `json:"comment"`
		By      string `json:"closed_by"`
	}
	body, err := readBody(w, r, maxSmallBody)
	if err != nil {
		return err
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &ask); err != nil {
			return &Error{http.StatusBadRequest, CodeBadRequest, "the body must be a JSON object: " + err.Error()}
		}
	}
	found, err := s.AlertStore.Alerts(r.Context(), []string{id})
	if err != nil {
		return err
	}
	// Level decides: what its rule gives would be back with the next poll.
	if len(found) == 1 && found[0].Status != alert.Resolved && s.Polled != nil && s.Polled.Evaluates(&found[0]) {
		return &Error{http.StatusConflict, CodeStillFiring, fmt.Sprintf(
			"alert %s cannot be closed: its rule %s still fires; acknowledge it (POST %s/alerts/%s/acknowledge), or disable or change the rule",
			id, short(found[0].Name), Base, id)}
	}
	err = s.Alerts.Close(r.Context(), id, signed(r, ask.By), ask.Comment)
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return noSuchAlert(id)
	case errors.Is(err, alert.ErrResolved):
		return &Error{http.StatusConflict, CodeResolved, "alert " + id + " is already resolved"}
	case err != nil:
		return err
	}

	return answerJSON(w, struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}{true, "Alert " + id + " closed"})
}

// notifyTest sends a test notification to one channel or to all.
func (s *server) notifyTest(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, maxSmallBody)
	if err != nil {
		return err
	}
	var ask struct {
		Channel string `json:"channel"`
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &ask); err != nil {
			return &Error{http.StatusBadRequest, CodeBadRequest, "the body must be a JSON object: " + err.Error()}
		}
	}
	channels := s.Channels()
	if ask.Channel != "" {
		channels = []string{ask.Channel}
	}
	results, err := s.testChannels(r.Context(), channels)
	if err != nil {
		return err
	}

	return answerJSON(w, list{Success: true, Data: results, Count: len(results)})
}

// testedView is a channel that was tested.
type testedView struct {
	Channel  string `json:"channel"`
	Accepted bool   `json:"accepted"`
	Answer   string `json:"answer"`
	// HeldUntil is until when nothing was to be tried on the channel before the
	// test, and Pending how many notifications waited.
	HeldUntil metrics.Time `json:"held_until"`
	Pending   int          `json:"pending"`
}

// testChannels tests all at once: none waits for another that hangs.
func (s *server) testChannels(ctx context.Context, channels []string) ([]testedView, error) {
	backlog, err := s.AlertStore.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	states := s.Alerts.Channels()
	for _, channel := range channels {
		if _, ok := states[channel]; !ok {
			return nil, s.noSuchChannel(channel)
		}
	}
	results := make([]testedView, len(channels))
	var running sync.WaitGroup
	for i, channel := range channels {
		one := &results[i]
		*one = testedView{Channel: channel, HeldUntil: metrics.Time{Time: states[channel].HeldUntil}, Pending: backlog[channel]}
		if !one.HeldUntil.After(s.Now()) {
			one.HeldUntil = metrics.Time{}
		}
		running.Go(func() {
			result, err := s.Alerts.Test(ctx, channel)
			one.Accepted, one.Answer = err == nil, result.Text
			if err != nil && result.Text != err.Error() {
				one.Answer = strings.TrimPrefix(result.Text+"; "+err.Error(), "; ")
			}
		})
	}
	running.Wait()

	return results, nil
}

func (s *server) noSuchChannel(name string) error {
	others := "no channel is enabled"
	if channels := s.Channels(); len(channels) > 0 {
		others = "there are: " + strings.Join(channels, ", ")
	}

	return &Error{http.StatusNotFound, CodeNotFound, fmt.Sprintf("there is no channel %q; %s", short(name), others)}
}

func answerJSON(w http.ResponseWriter, v any) error {
	a, err := render(v, 0)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, a.body)

	return nil
}

func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &Error{http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("the body must be at most %d bytes", tooLarge.Limit)}
	}

	if err != nil {
		return nil, &Error{http.StatusBadRequest, CodeBadRequest, "the body cannot be read: " + err.Error()}
	}

	return body, nil
}
