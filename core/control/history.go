package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/stentor-net/stentor/core/history"
)

// HistoryRequest says which events are wanted. Its zero value wants all.
type HistoryRequest struct {
	history.Query
	Follow bool // and those to come, until one side ends
}

// query writes r as the endpoint reads it.
func (r HistoryRequest) query() url.Values {
	q := url.Values{}
	if r.Object != "" {
		q.Set("object", r.Object)
	}
	if !r.Since.IsZero() {
		q.Set("since", r.Since.Format(time.RFC3339Nano))
	}
	if r.Last > 0 {
		q.Set("last", strconv.Itoa(r.Last))
	}
	if r.Follow {
		q.Set("follow", "true")
	}
	return q
}

// readHistory is the other way round. A since can also be how long ago: "1h".
func readHistory(q url.Values, now time.Time) (HistoryRequest, error) {
	r := HistoryRequest{Query: history.Query{Object: q.Get("object")}}
	var err error
	if text := q.Get("since"); text != "" {
		if d, bad := time.ParseDuration(text); bad == nil && d >= 0 {
			r.Since = now.Add(-d)
		} else if r.Since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return r, fmt.Errorf("since: %q is no time as in RFC 3339, and no duration like 1h", text)
		}
	}
	if text := q.Get("last"); text != "" {
		if r.Last, err = strconv.Atoi(text); err != nil || r.Last < 1 {
			return r, fmt.Errorf("last: %q is no positive number", text)
		}
	}
	if text := q.Get("follow"); text != "" {
		if r.Follow, err = strconv.ParseBool(text); err != nil {
			return r, fmt.Errorf("follow: %q is neither true nor false", text)
		}
	}
	return r, nil
}

// History answers with events, one JSON line each, from log. It follows until
// ctx ends.
func History(ctx context.Context, log *history.Log) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := readHistory(r.URL.Query(), time.Now())
		if err != nil {
			fail(w, &Error{Kind: KindConfig, Message: err.Error()})
			return
		}
		lines := newLines(w)
		seen := log.Seq()
		if err := log.Read(req.Query, func(e history.Event) bool {
			seen = max(seen, e.Seq)
			return lines.write(e)
		}); err != nil && !lines.begun {
			fail(w, asError(err))
			return
		}
		if req.Follow {
			lines.follow(ctx, r, log, req.Object, seen)
		}
	})
}

// lines is an answer of one JSON line for each event.
type lines struct {
	out   *http.ResponseController
	w     http.ResponseWriter
	enc   *json.Encoder
	begun bool
}

func newLines(w http.ResponseWriter) *lines {
	l := &lines{out: http.NewResponseController(w), w: w, enc: history.NewEncoder(w)}
	w.Header().Set("Content-Type", "application/jsonl")
	return l
}

// write reports whether the reader is still there. One that sleeps is dropped.
func (l *lines) write(e history.Event) bool {
	l.begun = true
	_ = l.out.SetWriteDeadline(time.Now().Add(writeTimeout))
	return l.enc.Encode(e) == nil
}

// follow writes what comes behind number seen, until ctx ends or the reader goes.
func (l *lines) follow(ctx context.Context, r *http.Request, log *history.Log, object string, seen uint64) {
	for {
		events, news := log.After(seen)
		for _, e := range events {
			seen = e.Seq
			if e.Concerns(object) && !l.write(e) {
				return
			}
		}
		if l.out.Flush() != nil {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		case <-r.Context().Done():
			return
		}
	}
}

// History copies the events that req wants to w, one JSON line each. When it
// follows, that the daemon ended is an error, as it is for Watch.
func (c *Client) History(ctx context.Context, req HistoryRequest, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, "/v1/history?"+req.query().Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	if err == nil && !req.Follow {
		return nil
	}
	return c.ended(ctx, err)
}
