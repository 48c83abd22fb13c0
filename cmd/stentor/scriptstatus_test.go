package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/status"
)

// waitStatus polls the daemon of the script.
func waitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: waitstatus WHAT...")
	}
	client := control.NewClient(ts.Getenv("STENTOR_SOCKET"))
	last := "no daemon answers"
	defer func() { ts.Logf("%s", last) }()
	eventually(ts, strings.Join(args, " "), func() bool {
		s, err := statusOf(context.Background(), client)
		if err != nil {
			last = err.Error()
			return slices.Equal(args, []string{"gone"})
		}
		last = fmt.Sprintf("%+v", s)
		for _, what := range args {
			ok, err := holds(s, what)
			ts.Check(err)
			if !ok {
				return false
			}
		}
		return true
	})
}

// statusOf asks a daemon once.
func statusOf(ctx context.Context, client *control.Client) (*status.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := &status.Status{}
	return s, json.Unmarshal(raw, s)
}

// holds tells whether the status says what: "up", "healthy", "unhealthy",
// "converged", "generation=2", "vip.web=announced", "told.web=2" for a number
// of peers, "demoted.web=true", "peer.rs1=established", or "check.web/file=up".
// "gone" is for no status at all.
func holds(s *status.Status, what string) (bool, error) {
	key, value, _ := strings.Cut(what, "=")
	kind, name, _ := strings.Cut(key, ".")
	switch kind {
	case "up":
		return true, nil
	case "gone":
		return false, nil
	case "healthy":
		return s.Healthy(), nil
	case "unhealthy":
		return !s.Healthy(), nil
	case "converged":
		return s.Converged, nil
	case "generation":
		return strconv.Itoa(s.Generation) == value, nil
	case "vip", "told":
		for _, v := range s.VIPs {
			if v.Name == name {
				return kind == "vip" && string(v.State) == value || kind == "told" && strconv.Itoa(len(v.AnnouncedTo)) == value, nil
			}
		}
		return false, nil
	case "demoted":
		for _, v := range s.VIPs {
			if v.Name == name {
				return strconv.FormatBool(v.Demoted) == value, nil
			}
		}
		return false, nil
	case "check":
		for _, c := range s.Checks {
			if c.Name == name {
				return c.State == value, nil
			}
		}
		return false, nil
	case "peer":
		for _, p := range s.Peers {
			if p.Name == name {
				return p.State == value, nil
			}
		}
		return false, nil
	}
	return false, fmt.Errorf("waitstatus does not know %q", what)
}
