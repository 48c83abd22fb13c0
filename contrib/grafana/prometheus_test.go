package grafana

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const inNamespace = "STENTOR_TEST_GRAFANA_NETNS"

// TestAlertsFire has a real Prometheus scrape a real handler, in a network
// namespace of its own, and waits for the alerts. Their "for" is left out: that
// it is kept is what promtool tests.
func TestAlertsFire(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		again(t)
		return
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:9600")
	if err != nil {
		t.Fatal(err)
	}
	d := newDaemon()
	d.publish(well())
	server := &http.Server{Handler: d.handler(), ReadHeaderTimeout: time.Second}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	startPrometheus(t)

	await(t, "two scrapes of a host that is well", func() bool { return query(t, `count_over_time(stentor_build_info[1m]) >= 2`) })
	if got := firing(t); len(got) > 0 {
		t.Errorf("all is well, and these fire: %v", got)
	}
	for range 3 {
		d.publish(ill())
		d.publish(well())
	}
	d.publish(ill())
	want := []string{"StentorCheckBroken", "StentorDrift", "StentorNoSession", "StentorSessionDown", "StentorSessionFlapping", "StentorVIPFlapping", "StentorVIPNotAnnounced", "StentorVIPNowhere"}
	await(t, "the alerts fire", func() bool { return slices.Equal(firing(t), want) })
	d.publish(well())
	await(t, "what is well again is no alert", func() bool { return slices.Equal(firing(t), []string{"StentorSessionFlapping", "StentorVIPFlapping"}) })
	server.Close()
	await(t, "a daemon that is gone is one", func() bool { return slices.Contains(firing(t), "StentorDown") })
}

// again runs the test that calls it in a network namespace of its own.
func again(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Skip("prometheus is missing: apt-get install prometheus")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

const prometheusURL = "http://127.0.0.1:9090"

var wait = regexp.MustCompile(`(?m)^\s+for: .*\n`)

func startPrometheus(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	rules, err := os.ReadFile("stentor.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"rules.yml": wait.ReplaceAllString(string(rules), ""),
		"prometheus.yml": `
global: {scrape_interval: 500ms, evaluation_interval: 500ms}
rule_files: [rules.yml]
scrape_configs: [{job_name: stentor, static_configs: [{targets: ["127.0.0.1:9600"]}]}]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+strings.TrimPrefix(prometheusURL, "http://"))
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("prometheus said:\n%s", log.String())
		}
	})
}

// ask puts a question to Prometheus; one that does not answer yet is no answer.
func ask(t *testing.T, path string, v any) bool {
	t.Helper()
	resp, err := http.Get(prometheusURL + path)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(v) == nil
}

func query(t *testing.T, expr string) bool {
	t.Helper()
	var answer struct{ Data struct{ Result []any } }
	return ask(t, "/api/v1/query?query="+url.QueryEscape(expr), &answer) && len(answer.Data.Result) > 0
}

// firing are the alerts that fire now, each once.
func firing(t *testing.T) []string {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	ask(t, "/api/v1/alerts", &answer)
	var names []string
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	var last []string
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if now := firing(t); !slices.Equal(now, last) {
			t.Logf("firing: %v", now)
			last = now
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s; firing: %v", what, last)
		}
		<-time.After(100 * time.Millisecond)
	}
}
