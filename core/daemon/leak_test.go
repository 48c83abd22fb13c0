package daemon

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/history"
)

// TestReloadsLeakNothing: a daemon after 1,000 reloads and drains holds no more
// goroutines and files than before them.
func TestReloadsLeakNothing(t *testing.T) {
	o := options(t, sound)
	client, _ := start(t, o, nil)
	other := strings.Replace(sound, "primary", "secondary", 1)
	generation := 1
	cycle := func() {
		for _, text := range []string{other, sound} {
			write(t, o.Config, text)
			done, err := client.Reload(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			generation = done.Generation
		}
		if err := client.Drain(t.Context(), control.DrainRequest{VIPs: []string{"web"}}); err != nil {
			t.Fatal(err)
		}
		if err := client.Undrain(t.Context(), control.UndrainRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	cycle()
	eventually(t, "the first cycle is done, and the history's file is open", func() bool {
		written := false
		if err := history.Read(history.Dir(o.StateDir), history.Query{}, func(history.Event) bool { written = true; return false }); err != nil {
			t.Fatal(err)
		}
		return written && statusOf(t, client).Generation == generation
	})
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 500 {
		cycle()
	}
	if generation != 1003 {
		t.Errorf("generation %d", generation)
	}
	eventually(t, fmt.Sprintf("no more than %d goroutines and %d open files, as before", goroutines, files), func() bool {
		return statusOf(t, client).Generation == generation && runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
	})
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
