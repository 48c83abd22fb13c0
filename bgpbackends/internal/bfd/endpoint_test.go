package bfd

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// insideEnv has this program run a test in the network namespace where it is.
const insideEnv = "STENTOR_TEST_INSIDE"

// TestEndpoint has an endpoint talk with itself, in a network namespace of its
// own: the ports are taken elsewhere by whoever speaks BFD on this machine.
func TestEndpoint(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		testInside(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestEndpoint$", "-test.v", "-test.timeout", "60s")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func testInside(t *testing.T) {
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	until := func(what string, done func() error) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
			err := done()
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("waiting for %s: %v", what, err)
			}
		}
	}
	a, b := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	e := NewEndpoint()
	if ports := listening(t); ports != "" {
		t.Fatalf("without a session it listens: %s", ports)
	}
	both := func(multihop bool) []*Session {
		c := Config{Multihop: multihop, Timers: Timers{TX: 50 * time.Millisecond, RX: 50 * time.Millisecond, Multiplier: 20}, Changed: func(View) {}}
		one, other := c, c
		one.Peer, one.Local = a, b
		other.Peer, other.Local = b, a
		return []*Session{e.Start(one), e.Start(other)}
	}
	sessions := append(both(false), both(true)...)
	until("all sessions", func() error {
		for _, s := range sessions {
			if v := s.View(); v.State != Up {
				return fmt.Errorf("%s: %+v", s.Peer, v)
			}
		}
		return nil
	})
	if ports := listening(t); strings.Count(ports, "3784") != 1 || strings.Count(ports, "4784") != 1 {
		t.Errorf("it listens: %s", ports)
	}

	// Packets from elsewhere, and from a peer's address with another TTL.
	down := Packet{State: Down, Multiplier: 3, My: 1}
	for _, from := range []string{"127.0.0.3", "127.0.0.2"} {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
		conn, err := d.Dial("udp4", "127.0.0.1:3784")
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if _, err := conn.Write(down.Append(nil, nil)); err != nil {
				t.Fatal(err)
			}
		}
		conn.Close()
	}
	before := sessions[0].View().Since
	until("the next packets", func() error {
		if v := sessions[0].View(); v.Refused != "" {
			return fmt.Errorf("%s", v.Refused)
		}
		return nil
	})
	if v := sessions[0].View(); v.State != Up || !v.Since.Equal(before) {
		t.Errorf("packets of others made it %+v", v)
	}

	// A port that somebody else has is told, and tried again.
	for _, s := range sessions[2:] {
		s.Quit()
		<-s.ended
	}
	taken, err := net.ListenPacket("udp4", ":4784")
	if err != nil {
		t.Fatalf("the port of sessions that have ended: %v", err)
	}
	sessions = append(sessions[:2], both(true)...)
	until("the error", func() error {
		if v := sessions[2].View(); !strings.Contains(v.Error, "another BFD daemon") {
			return fmt.Errorf("%+v", v)
		}
		return nil
	})
	taken.Close()
	until("the sessions on a port that is free again", func() error {
		if v := sessions[2].View(); v.State != Up || v.Error != "" {
			return fmt.Errorf("%+v", v)
		}
		return nil
	})

	// Stop lingers until the peers must have noticed; Close does not.
	sessions[0].Stop()
	until("the other side to hear of it", func() error {
		if v := sessions[1].View(); v.State != Down || !v.PeerDisabled {
			return fmt.Errorf("%+v", v)
		}
		return nil
	})
	e.Close()
	if ports := listening(t); ports != "" {
		t.Errorf("after Close it listens: %s", ports)
	}
}

// listening are the UDP sockets with BFD's ports.
func listening(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("ss", "-ulnH").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []byte
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte(":3784")) || bytes.Contains(line, []byte(":4784")) {
			found = append(found, line...)
		}
	}
	return string(found)
}
