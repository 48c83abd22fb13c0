package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/history"
)

func TestHistory(t *testing.T) {
	d := newFake(t)
	c, _ := serve(t, d)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d.log.Append([]history.Event{
		{At: at, Object: "vip web", To: "pending"},
		{At: at.Add(time.Hour), Object: "check web/https", To: "up", Output: "<html> & more"},
		{At: at.Add(2 * time.Hour), Object: "vip mail", To: "pending"},
		{At: at.Add(3 * time.Hour), Object: "vip web", From: "pending", To: "announced"},
	})
	tests := map[string]struct {
		q    history.Query
		want []uint64
	}{
		"all":                   {history.Query{}, []uint64{1, 2, 3, 4}},
		"a VIP with its checks": {history.Query{Object: "vip web"}, []uint64{1, 2, 4}},
		"since":                 {history.Query{Since: at.Add(time.Hour)}, []uint64{2, 3, 4}},
		"the last":              {history.Query{Object: "vip web", Last: 1}, []uint64{4}},
		"nothing":               {history.Query{Object: "peer rs1"}, nil},
	}
	for name, tt := range tests {
		var out bytes.Buffer
		if err := c.History(t.Context(), HistoryRequest{Query: tt.q}, &out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []uint64
		for dec := json.NewDecoder(&out); dec.More(); {
			var e history.Event
			if err := dec.Decode(&e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Seq)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	var out bytes.Buffer
	if err := c.History(t.Context(), HistoryRequest{Query: history.Query{Object: "check web/https"}}, &out); err != nil {
		t.Fatal(err)
	}
	want := `{"seq":2,"time":"2026-01-02T04:04:05Z","object":"check web/https","from":"","to":"up","why":"","output":"<html> & more"}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestHistoryFollows: what was there before comes first, then what happens, each once.
func TestHistoryFollows(t *testing.T) {
	d := newFake(t)
	c, _ := serve(t, d)
	event := []history.Event{{Object: "vip web", To: "announced"}}
	d.log.Append(event)
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.History(ctx, HistoryRequest{Follow: true}, w) }()
	dec := json.NewDecoder(r)
	for want := range uint64(20) {
		var e history.Event
		if err := dec.Decode(&e); err != nil || e.Seq != want+1 {
			t.Fatalf("%+v, %v; want number %d", e, err, want+1)
		}
		d.log.Append(event)
	}
	cancel()
	r.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHistoryRefuses(t *testing.T) {
	c, _ := serve(t, newFake(t))
	for _, query := range []string{"since=yesterday", "last=0", "last=x", "follow=maybe"} {
		_, err := c.do(t.Context(), time.Minute, "GET", "/v1/history?"+query, nil)
		key, value, _ := strings.Cut(query, "=")
		var remote *Error
		if !errors.As(err, &remote) || remote.Kind != KindConfig || !strings.HasPrefix(err.Error(), key+": ") || !strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", query, err)
		}
	}
	if _, err := c.do(t.Context(), time.Minute, "GET", "/v1/history?since=1h&follow=false", nil); err != nil {
		t.Error(err)
	}
}
