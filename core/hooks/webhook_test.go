package hooks

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/core/config"
)

const token = "hunter2-of-the-hook"

func TestWebhook(t *testing.T) {
	got := make(chan *http.Request, 1)
	bodies := make(chan map[string]any, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		bodies <- body
		got <- r
	}))
	defer server.Close()
	hook := config.Hook{Name: "chat", URL: server.URL + "/path", Token: token, On: []string{"vip"}, Timeout: time.Minute}

	r := New(Options{Host: "host-a", Transport: server.Client().Transport, Log: slog.New(slog.DiscardHandler)})
	defer r.Close(t.Context())
	r.Set([]config.Hook{hook})
	r.Deliver(entered("vip web", "", "announced as primary, 2/2 peers"), vips())
	if body := <-bodies; body["object"] != "vip web" || body["state"] != "announced" || body["host"] != "host-a" {
		t.Errorf("%v", body)
	}
	if req := <-got; req.Method != http.MethodPost || req.URL.Path != "/path" || req.Header.Get("Authorization") != "Bearer "+token || req.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", req)
	}
}

// TestCertificate: without the server's own certificate among those that are
// trusted, it is told nothing, and no log has the token or the path.
func TestCertificate(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r, log := runner(t)
	_, err := r.postOnce(t.Context(), config.Hook{URL: server.URL + "/services/secret", Token: token, Timeout: time.Minute}, nil)
	if err == nil || asked.Load() != 0 || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
	if text := err.Error() + log.String(); strings.Contains(text, token) || strings.Contains(text, "secret") {
		t.Errorf("a secret is in %q", text)
	}
}

// answers is a server within the program: it does without a network, and so
// with a fake clock.
type answers struct {
	tries  atomic.Int32
	status func(try int) int // 0: it never answers
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status := a.status(int(a.tries.Add(1)))
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Location": {"https://elsewhere.example"}},
		Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

func TestRetries(t *testing.T) {
	always := func(status int) func(int) int { return func(int) int { return status } }
	tests := map[string]struct {
		status func(try int) int
		tries  int32
		took   time.Duration
		err    string
	}{
		"well":             {always(204), 1, 0, ""},
		"well at last":     {func(try int) int { return []int{0, 503, 429, 200}[try] }, 3, 5 * time.Second, ""},
		"never":            {always(500), 3, 5 * time.Second, "after 3 of 3 tries: chat.example answered Internal Server Error"},
		"it hangs":         {always(0), 3, 35 * time.Second, "after 3 of 3 tries: chat.example did not answer within 10s"},
		"refused":          {always(403), 1, 0, "after 1 of 3 tries: chat.example answered Forbidden"},
		"sent elsewhere":   {always(302), 1, 0, "after 1 of 3 tries: chat.example answered Found; redirects are not followed, name the right url"},
		"kept: sent there": {always(308), 1, 0, "after 1 of 3 tries: chat.example answered Permanent Redirect; redirects are not followed, name the right url"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &answers{status: tt.status}
				r := New(Options{Transport: a, Log: slog.New(slog.DiscardHandler)})
				began := time.Now()
				err := r.tell(config.Hook{URL: "https://chat.example/services/secret", Token: token, Timeout: 10 * time.Second}, call{event: entered("vip web", "", "announced")[0]})
				if a.tries.Load() != tt.tries || time.Since(began) != tt.took {
					t.Errorf("%d tries in %s, want %d in %s", a.tries.Load(), time.Since(began), tt.tries, tt.took)
				}
				if got := text(err); got != tt.err {
					t.Errorf("%q, want %q", got, tt.err)
				}
			})
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestHungServer: a server that takes the request and says nothing costs its
// hook the timeout, and the end of the daemon nothing.
func TestHungServer(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	r, log := runner(t, config.Hook{Name: "x", URL: server.URL, On: []string{"vip"}, Timeout: 50 * time.Millisecond})
	r.Deliver(entered("vip web", "", "announced"), vips())
	eventually(t, "the first try is on its way", func() bool { return r.Stats()[0].Queue == 0 })
	r.hurry()
	settled(t, r, 1)
	if !strings.Contains(log.String(), "the daemon ends; the last try: ") {
		t.Errorf("%s", log)
	}
}
