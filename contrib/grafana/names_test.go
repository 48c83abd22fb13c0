package grafana

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// figures are the names that a scrape gives.
func figures(t *testing.T) map[string]bool {
	t.Helper()
	d := newDaemon()
	d.publish(well())
	d.publish(ill())
	w := httptest.NewRecorder()
	d.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	names := map[string]bool{}
	for _, line := range strings.Split(w.Body.String(), "\n") {
		if name := regexp.MustCompile(`^[a-z_]+`).FindString(line); name != "" {
			names[name] = true
		}
	}
	if len(names) < 40 {
		t.Fatalf("a scrape gives %d figures:\n%s", len(names), w.Body)
	}
	return names
}

// figure is the name of one of ours, wherever it stands.
var figure = regexp.MustCompile(`\bstentor_[a-z_]+`)

// TestNames: what is asked for is there. A figure that was renamed would leave
// an alert that never fires.
func TestNames(t *testing.T) {
	have := figures(t)
	documented := map[string]bool{}
	for file, least := range map[string]int{"stentor.rules.yml": 15, "stentor.rules.test.yml": 15, "stentor.json": 15, guide: 40} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, name := range figure.FindAllString(string(raw), -1) {
			seen[name] = true
			documented[name] = documented[name] || file == guide
			if !have[name] && !have[name+"_bucket"] {
				t.Errorf("%s asks for %s, which no daemon gives", file, name)
			}
		}
		if len(seen) < least {
			t.Errorf("%s asks for %d figures only", file, len(seen))
		}
	}
	for name := range have {
		if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); strings.HasPrefix(name, "stentor_") && !documented[base] {
			t.Errorf("%s does not say what %s is", guide, base)
		}
	}
}

// guide is where a person reads what the figures are.
const guide = "../docs/events.md"

// TestDashboard: it is JSON, and each panel asks for something.
func TestDashboard(t *testing.T) {
	raw, err := os.ReadFile("stentor.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if p.Title == "" || len(p.Targets) == 0 || ids[p.ID] {
			t.Errorf("%+v", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if !figure.MatchString(target.Expr) {
				t.Errorf("%s asks for %q", p.Title, target.Expr)
			}
		}
	}
	if len(ids) < 10 {
		t.Errorf("%d panels", len(ids))
	}
}

// TestPromtool has Prometheus's own tool read the alerts, and play their tests.
func TestPromtool(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is missing: apt-get install prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "stentor.rules.yml"}, {"test", "rules", "stentor.rules.test.yml"}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
