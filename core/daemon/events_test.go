package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/history"
)

// scrape gives what the control socket tells Prometheus.
func scrape(t *testing.T, socket string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://stentor/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v: %s", resp.Status, err, body)
	}
	return string(body)
}

// TestEvents: who asks for history, hooks and metrics gets them from a daemon,
// and a reload changes the hooks without a new generation.
func TestEvents(t *testing.T) {
	o := options(t, sound)
	client, stop := start(t, o, nil)
	// A snapshot can be asked for a moment before hooks are told of it, and this
	// hook shall not hear of the start: a reload waits for the end of a pass.
	if _, err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	hook := filepath.Join(dir, "hook")
	if err := os.WriteFile(hook, fmt.Appendf(nil, "#!/bin/sh\necho $STENTOR_KIND $STENTOR_STATE >>%s/said\n", dir), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, o.Config, sound+"[hook.x]\nexec = [\""+hook+"\"]\non = [\"daemon\"]\n")
	done, err := client.Reload(t.Context())
	if err != nil || done.Generation != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	write(t, o.Config, sound+"[hook.y]\n")
	if _, err := client.Reload(t.Context()); err == nil {
		t.Fatal("a hook without anything to do was taken")
	}
	text := scrape(t, o.Socket)
	for _, line := range []string{"stentor_config_last_reload_successful 0", `stentor_hook_delivered_total{hook="x"} 0`, "stentor_config_generation 1",
		"stentor_history_writable 1", `stentor_peer_up{address="192.0.2.1",asn="65000",peer="rs1"} `, "stentor_build_info{"} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("no %s in:\n%s", line, text)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if said, err := os.ReadFile(dir + "/said"); err != nil || string(said) != "daemon stopped\n" {
		t.Errorf("the hook heard %q, %v", said, err)
	}
	var all string
	eventually(t, "the end is on record", func() bool { // a daemon does not wait for long for a slow disk
		var objects []string
		if err := history.Read(history.Dir(o.StateDir), history.Query{}, func(e history.Event) bool {
			objects = append(objects, e.Object+" "+e.State())
			return true
		}); err != nil {
			t.Fatal(err)
		}
		all = strings.Join(objects, ", ")
		return strings.HasSuffix(all, ", daemon stopped")
	})
	if !strings.HasPrefix(all, "daemon started, config generation, ") {
		t.Errorf("on record: %s", all)
	}
}

// TestHistoryInTheWay: a history that can't be opened is a problem in status,
// and no more than that.
func TestHistoryInTheWay(t *testing.T) {
	o := options(t, sound)
	if err := os.Mkdir(o.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, history.Dir(o.StateDir), "not a folder")
	client, _ := start(t, o, nil)
	eventually(t, "status says so", func() bool {
		s, err := decodeStatus(client.Status(t.Context()))
		if err != nil {
			return false
		}
		for _, p := range s.Problems {
			if p.Object == "history" && strings.Contains(p.Message, "not a directory") && p.Hint != "" {
				return true
			}
		}
		return false
	})
	var out bytes.Buffer
	eventually(t, "what is in memory can be read", func() bool { // it is there a moment after the snapshot that tells of it
		out.Reset()
		return client.History(t.Context(), control.HistoryRequest{Query: history.Query{Object: "daemon"}}, &out) == nil && out.Len() > 0
	})
	var e history.Event
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.State() != "started" {
		t.Errorf("%+v, %v", e, err)
	}
}
