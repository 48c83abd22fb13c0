package health

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// site is a web server with an answer for each path.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ready to serve") })
	mux.HandleFunc("/host", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })
	mux.HandleFunc("/method", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Allow", r.Method); w.WriteHeader(204) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/gone", http.StatusFound) })
	mux.HandleFunc("/down", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no database", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/stuck", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "ready")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for err := error(nil); err == nil; {
			_, err = fmt.Fprint(w, strings.Repeat("x", 4096))
		}
	})
	mux.HandleFunc("/header", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
	return mux
}

func TestHTTP(t *testing.T) {
	server := httptest.NewServer(site())
	t.Cleanup(server.Close)
	secure := httptest.NewUnstartedServer(site())
	secure.Config.ErrorLog = nil
	secure.StartTLS()
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	noCA := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(noCA, []byte("nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	fine := []StatusRange{{200, 399}}
	get := func(path string) HTTP { return HTTP{URL: server.URL + path, Method: "GET", Status: fine} }
	getTLS := func(c TLS) HTTP { return HTTP{URL: secure.URL + "/ok", Method: "GET", Status: fine, TLS: c} }
	with := func(p HTTP, change func(*HTTP)) HTTP { change(&p); return p }
	tests := []struct {
		name  string
		probe HTTP
		want  string
	}{
		{"200", get("/ok"), "+200 OK"},
		{"a redirect is not followed", get("/moved"), "+302 Found"},
		{"only 200 is wanted", with(get("/moved"), func(p *HTTP) { p.Status = []StatusRange{{200, 200}} }), "-302 Found"},
		{"503", get("/down"), "-503 Service Unavailable"},
		{"503 is wanted", with(get("/down"), func(p *HTTP) { p.Status = []StatusRange{{200, 200}, {503, 503}} }), "+503"},
		{"the body matches", with(get("/ok"), func(p *HTTP) { p.Match = "^ready" }), "+200"},
		{"the body does not", with(get("/ok"), func(p *HTTP) { p.Match = "^steady" }), `-200 OK, and the body does not match: "ready to serve"`},
		{"a host of its own", with(get("/host"), func(p *HTTP) { p.Host, p.Match = "www.example.com", `^www\.example\.com$` }), "+200"},
		{"HEAD", with(get("/ok"), func(p *HTTP) { p.Method = "HEAD" }), "+200"},
		{"a body without end", with(get("/endless"), func(p *HTTP) { p.Match = "y" }), "-the body does not match"},
		{"a header without end", get("/header"), "-does not end"},
		{"its own certificate authority", getTLS(TLS{CAFile: ca}), "+200"},
		{"an unknown one", getTLS(TLS{}), "-certificate"},
		{"which nobody looks at", getTLS(TLS{Skip: true}), "+200"},
		{"another name", getTLS(TLS{CAFile: ca, ServerName: "www.example.org"}), "-www.example.org"},
		{"the name that it has", getTLS(TLS{CAFile: ca, ServerName: "example.com"}), "+200"},
		{"the name by Host", with(getTLS(TLS{CAFile: ca}), func(p *HTTP) { p.Host = "example.com:8443" }), "+200"},
		{"the authority's file has none", getTLS(TLS{CAFile: noCA}), "!holds no certificate"},
		{"the authority's file is gone", getTLS(TLS{CAFile: noCA + "x"}), "!no such file"},
		{"http to https", HTTP{URL: "http" + secure.URL[5:] + "/ok", Method: "GET", Status: fine}, "-400"},
		{"https to http", HTTP{URL: "https" + server.URL[4:] + "/ok", Method: "GET", Status: fine}, "-does not look like a TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, tt.probe, patience, tt.want) })
	}
	for _, path := range []string{"/slow", "/stuck"} {
		t.Run("hangs "+path, func(t *testing.T) {
			t.Parallel()
			p := get(path)
			p.Match = "steady"
			expect(t, p, brief, "-then no answer in time")
		})
	}
}

func TestHTTPUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	probe := HTTP{URL: "http://app/ok", Method: "GET", Unix: path, Status: []StatusRange{{200, 200}}}
	expect(t, probe, patience, "-no such file")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: site()}}
	server.Start()
	t.Cleanup(server.Close)
	expect(t, probe, patience, "+200")
}

func TestHTTPTarget(t *testing.T) {
	p := HTTP{URL: "https://127.0.0.1/health?token=hunter2", Unix: "/run/app.sock"}
	if got, want := p.Target(), "https://127.0.0.1/health?... on /run/app.sock"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p = HTTP{URL: "http://127.0.0.1:1/health?token=hunter2", Method: "GET"}
	if got := askOnce(t, p, patience); strings.Contains(got.output, "hunter2") || got.outcome != Bad {
		t.Errorf("%c %s", got.outcome, got.output)
	}
}
