package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
)

func TestSummarize(t *testing.T) {
	since := func(sec int) time.Time { return start.Add(time.Duration(sec) * s) }
	view := health.View{
		"web/https": {State: up, Weight: 2},
		"web/tcp":   {State: down, Since: since(5), Output: "3 of 3 tries failed: connection refused"},
		"disk":      {State: down, Since: since(9), Output: "exit code 1"},
		"script":    {State: health.Broken, Since: since(7), Output: "/opt/check: no such file"},
		"dns":       {State: unknown},
		"icmp":      {State: unknown},
		"low":       {State: up, Weight: -3},
		"initial":   {State: down},
	}
	all, some := config.Require{}, config.Require{Any: true}
	weight := func(n int) config.Require { return config.Require{Weight: n} }
	tests := map[string]struct {
		checks  []string
		require config.Require
		want    Summary
	}{
		"no checks":            {nil, all, Summary{}},
		"all up":               {[]string{"web/https"}, all, Summary{State: up}},
		"all, one down":        {[]string{"web/https", "web/tcp"}, all, Summary{down, "tcp: 3 of 3 tries failed: connection refused"}},
		"all, the last counts": {[]string{"web/tcp", "disk", "script"}, all, Summary{down, "disk: exit code 1 (and 2 more)"}},
		"all, broken":          {[]string{"web/https", "script"}, all, Summary{down, "script: the check can't run: /opt/check: no such file"}},
		"all, unknown":         {[]string{"web/https", "dns", "icmp"}, all, Summary{unknown, "waiting for the first results of dns, icmp"}},
		"all, down is certain": {[]string{"web/tcp", "dns"}, all, Summary{down, "tcp: 3 of 3 tries failed: connection refused"}},
		"not in the view yet":  {[]string{"a", "b", "c", "d", "e"}, all, Summary{unknown, "waiting for the first results of a, b, c and 2 more"}},
		"any up":               {[]string{"web/https", "web/tcp", "dns"}, some, Summary{State: up}},
		"any, none yet":        {[]string{"web/tcp", "dns"}, some, Summary{unknown, "waiting for the first results of dns"}},
		"any, none":            {[]string{"web/tcp", "disk"}, some, Summary{down, "disk: exit code 1 (and 1 more)"}},
		"down by its initial":  {[]string{"initial"}, all, Summary{down, "initial: no result yet"}},
		"weight reached":       {[]string{"web/https", "web/tcp"}, weight(2), Summary{State: up}},
		"weight missed":        {[]string{"web/https", "web/tcp"}, weight(3), Summary{down, "the weights come to 2 of 3; tcp: 3 of 3 tries failed: connection refused"}},
		"weight may yet come":  {[]string{"web/https", "dns"}, weight(3), Summary{unknown, "the weights come to 2 of 3; waiting for the first results of dns"}},
		"weight below zero":    {[]string{"web/https", "low"}, weight(2), Summary{down, "the weights come to -1 of 2; every check is up"}},
	}
	for name, tt := range tests {
		got := Summarize(config.VIP{Name: "web", Checks: tt.checks, Require: tt.require}, view)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
