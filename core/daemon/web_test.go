package daemon

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestStatusPage: a port that is taken is a problem like others and stops
// nothing; a reload opens the page elsewhere, and closes it.
func TestStatusPage(t *testing.T) {
	taken, free := listen(t), listen(t)
	page := func(l net.Listener) string { return fmt.Sprintf("[http]\nlisten = %q\n", l.Addr()) }
	answers := func(l net.Listener) bool {
		resp, err := http.Get("http://" + l.Addr().String() + "/metrics")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	o := options(t, sound+page(taken))
	client, _ := start(t, o, nil)
	problem := func() bool {
		raw, err := client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(raw), "address already in use")
	}
	reload := func(config string) {
		write(t, o.Config, config)
		if _, err := client.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "status tells of the port", problem)
	free.Close()
	reload(sound + page(free))
	eventually(t, "the page is elsewhere", func() bool { return answers(free) && !problem() })
	reload(sound)
	eventually(t, "the page is closed", func() bool { return !answers(free) })
}

// listen takes a port of an address that nobody else uses: while the port is
// free for a moment, the kernel gives it to no connection of another test.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.96.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
