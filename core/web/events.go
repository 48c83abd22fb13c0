package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

const (
	// pace is the least time between two looks at the news for one stream: an
	// eye sees no more, and a host that flaps has news all the time.
	pace = 200 * time.Millisecond
	// results is how often a stream looks without news: results of checks that
	// change no state make no new snapshot.
	results = time.Second
	// heartbeat is how often a stream is heard of when nothing at all changes.
	// The page takes silence of three times that for a lost connection.
	heartbeat = 5 * time.Second
	// timeline is how many events a page shows.
	timeline = 100
)

// pulse is the data of a heartbeat. Pages count ages by the server's clock.
type pulse struct {
	Now  time.Time `json:"now"`
	Host string    `json:"host"`
}

// events streams what is new, as server-sent events (HTML Living Standard
// §9.2): "status" has what /v1/status has, "history" an array of events,
// oldest first, "beat" the time.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, fmt.Sprintf("%d pages watch already; close one", maxStreams), http.StatusServiceUnavailable)
		return
	}
	out := &stream{w: w, control: http.NewResponseController(w)}
	_ = out.control.SetReadDeadline(time.Time{}) // nothing more is read, and the stream has no end
	looks, beats := time.NewTicker(results), time.NewTicker(heartbeat)
	defer looks.Stop()
	defer beats.Stop()
	past := make(chan []history.Event, 1)
	go func() { past <- s.past() }() // a disk that hangs must not hold up the rest
	caughtUp := false
	out.beat(s.Host)
	for out.err == nil {
		next := s.Next() // before looking, so that no news slips between
		out.show(s.Status())
		var more <-chan struct{}
		if caughtUp {
			var events []history.Event
			events, more = s.History.After(out.seq)
			out.tell(events)
		}
		calm := time.After(pace)
		select {
		case <-r.Context().Done():
			return
		case <-beats.C:
			out.beat(s.Host)
		case events := <-past:
			out.tell(events)
			caughtUp = true
		case <-looks.C:
		case <-next:
		case <-more:
		}
		select {
		case <-r.Context().Done():
			return
		case <-calm:
		}
	}
}

// past are the events that a page begins with.
func (s *Server) past() []history.Event {
	var events []history.Event
	if err := s.History.Read(history.Query{Last: timeline}, func(e history.Event) bool {
		events = append(events, e)
		return true
	}); err != nil {
		return s.History.Recent(timeline) // what is in memory; that the disk is amiss is told under problems
	}
	return events
}

// stream writes events until the first error.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	status  []byte // that was sent last
	seq     uint64 // of the event that was sent last
	err     error
}

// beat tells the time.
func (s *stream) beat(host string) { s.write("beat", encode(pulse{time.Now(), host})) }

// show sends a snapshot unless the reader has it.
func (s *stream) show(now *status.Status) {
	if now == nil {
		return
	}
	if data := encode(now); !bytes.Equal(data, s.status) {
		s.status = data
		s.write("status", data)
	}
}

// tell sends events.
func (s *stream) tell(events []history.Event) {
	if len(events) > 0 {
		s.seq = events[len(events)-1].Seq
		s.write("history", encode(events[max(0, len(events)-timeline):]))
	}
}

func encode(v any) []byte {
	data, _ := json.Marshal(v) // of plain fields, which can't fail
	return data
}

func (s *stream) write(event string, data []byte) {
	if s.err != nil {
		return
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // a reader that sleeps is dropped
	if _, s.err = fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, data); s.err == nil {
		s.err = s.control.Flush()
	}
}
