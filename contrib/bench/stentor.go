package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
)

// stentor is the program that all of this is about.
type stentor struct {
	bed     *bed
	binary  string
	backend lab.Kind
	inside  bool // the speaker is in the daemon's process
	dir     string
	// driven is the daemon that the backend drives, which runs already when
	// stentor starts; nil for a speaker of its own.
	driven *lab.Speaker
}

func (s *stentor) name() string {
	switch {
	case s.inside:
		return "stentor, one process"
	case s.backend == lab.GoBGP:
		return "stentor"
	}
	return "stentor, " + string(s.backend)
}

func (s *stentor) version(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, s.binary, "version").Output()
	if err != nil {
		return "version unknown"
	}
	return strings.TrimSpace(strings.TrimPrefix(strings.SplitN(string(out), " (go", 2)[0], "stentor "))
}

func (s *stentor) prepare(ctx context.Context, announce []netip.Prefix) (err error) {
	if s.dir, err = s.bed.fresh(ctx, "stentor"); err != nil {
		return err
	}
	if s.driven == nil && (s.backend == lab.FRR || s.backend == lab.BIRD) {
		if s.driven, err = s.bed.lab.StartSpeaker(ctx, lab.HostA, s.backend); err != nil {
			return err
		}
	}
	return s.configure(announce, "primary")
}

// dismiss ends the driven daemon.
func (s *stentor) dismiss(ctx context.Context) error {
	if s.driven == nil {
		return nil
	}
	d := s.driven
	s.driven = nil
	return d.Kill(context.WithoutCancel(ctx))
}

// configure writes the configuration with role for the first VIP, and primary
// for the rest. A reader sees the old file or the new one.
func (s *stentor) configure(announce []netip.Prefix, role string) error {
	path := filepath.Join(s.dir, "stentor.toml")
	if err := os.WriteFile(path+".new", s.config(announce, role), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// config is what an admin writes, and the one line that keeps the lab's host,
// which shares this machine's files, off these.
func (s *stentor) config(announce []netip.Prefix, role string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "[network]\nbackend = \"iproute\"\n[bgp]\nbackend = %q\nprovider = \"linode\"\ndcid = %d\n", s.backend, dcid)
	if s.driven != nil {
		b.WriteString(s.driven.TOML)
	}
	if s.inside {
		fmt.Fprintf(&b, "[backend.%s]\nisolate = false\n", s.backend)
	}
	for i, p := range announce {
		fmt.Fprintf(&b, "[vip.v%d]\naddress = %q\nrole = %q\n", i, p, role)
		role = "primary"
	}
	return b.Bytes()
}

// firstVIP is the name of the VIP of the first prefix.
const firstVIP = "v0"

func (s *stentor) socket() string { return filepath.Join(s.dir, "stentor.sock") }

func (s *stentor) start(context.Context) (*running, error) {
	r := &running{}
	return r, s.bed.start(r, "stentor", []string{s.binary, "run",
		"--config", filepath.Join(s.dir, "stentor.toml"), "--socket", s.socket(), "--state-dir", filepath.Join(s.dir, "state")})
}

// verb runs the command line tool against the daemon and times it from start
// to end. Exit code 4 is an answer.
func (s *stentor) verb(ctx context.Context, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, s.binary, append(args, "--socket", s.socket())...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut // its standard output goes to /dev/null
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil && cmd.ProcessState.ExitCode() != 4 {
		return 0, fmt.Errorf("stentor %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return took, nil
}

// daemonStatus is what is read of `stentor status --json`.
type daemonStatus struct {
	Generation int  `json:"generation"`
	Converged  bool `json:"converged"`
	Peers      []struct {
		Name     string `json:"name"`
		State    string `json:"state"`
		Received int    `json:"received"`
	} `json:"peers"`
}

// client talks to the daemon without a process for each request.
func (s *stentor) client() *http.Client {
	return &http.Client{Timeout: settle, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", s.socket())
		},
	}}
}

// post sends a request, and gives the answer into v.
func post(ctx context.Context, c *http.Client, path, body string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://stentor"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	return answer(c, req, v)
}

func get(ctx context.Context, c *http.Client, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stentor"+path, nil)
	if err != nil {
		return err
	}
	return answer(c, req, v)
}

func answer(c *http.Client, req *http.Request, v any) error {
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, resp.Status, b)
	}
	return json.Unmarshal(b, v)
}
