package session

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
)

// pair is a TCP connection over the loopback.
func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if here, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	if there, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	return here, there
}

// waiting is how many bytes have come and were not read.
func waiting(t *testing.T, conn net.Conn) (bytes int) {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if closed := raw.Control(func(fd uintptr) { bytes, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) }); closed != nil || err != nil {
		t.Fatal(closed, err)
	}
	return bytes
}

// TestDrowsy: a KEEPALIVE waits in the kernel until it is taken; what is longer,
// and the end of the connection, do not.
func TestDrowsy(t *testing.T) {
	here, there := pair(t)
	keepalive := wire.AppendKeepalive(nil)
	cease := wire.AppendNotification(nil, &wire.Notification{Code: wire.Cease})
	d := newDrowsy(here)
	type result struct {
		n   int
		err error
	}
	results := make(chan result)
	read := func(drowse bool) {
		go func() {
			d.drowse = drowse
			n, err := d.Read(make([]byte, 100))
			results <- result{n, err}
		}()
	}
	send := func(b []byte) {
		t.Helper()
		if _, err := there.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	expectWhile := func(what string, n int, want error, look func()) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); look() {
			select {
			case r := <-results:
				if r.n != n || !errors.Is(r.err, want) {
					t.Errorf("%s: read %d bytes, %v, want %d, %v", what, r.n, r.err, n, want)
				}
				return
			case <-time.After(time.Millisecond):
			}
		}
		t.Fatalf("%s: nothing was read", what)
	}
	expect := func(what string, n int, want error) {
		t.Helper()
		expectWhile(what, n, want, func() {})
	}
	// unread sends a KEEPALIVE to a reader that is drowsy. One that had only begun
	// to be takes it at once, and is tried again, with more of a start.
	unread := func() {
		t.Helper()
		for start := range 20 {
			read(true)
			<-time.After(time.Duration(start) * time.Millisecond)
			send(keepalive)
			lain, done := 0, false
			for lain < 50 && !done {
				select {
				case r := <-results:
					if done = true; r.n != len(keepalive) || r.err != nil {
						t.Fatalf("%d bytes were read, %v", r.n, r.err)
					}
				case <-time.After(time.Millisecond):
					if waiting(t, here) == len(keepalive) {
						lain++
					}
				}
			}
			if !done {
				return
			}
		}
		t.Fatal("each KEEPALIVE woke the reader")
	}

	unread()
	if ago := d.lastHeard(); ago != math.MaxInt64 {
		t.Errorf("something lies there, and the last message was heard %s ago", ago)
	}
	if !d.take() || waiting(t, here) > 0 {
		t.Error("a KEEPALIVE was not taken")
	}
	if ago := d.lastHeard(); ago < 20*time.Millisecond || ago > 20*time.Second { // it lay there for 50 looks
		t.Errorf("last heard %s ago", ago)
	}
	if d.take() {
		t.Error("a KEEPALIVE was taken twice")
	}
	send(cease)
	expect("a NOTIFICATION after one that was taken", len(cease), nil)

	unread()
	send(keepalive)
	expect("the second one", 2*len(keepalive), nil)

	garbage := bytes.Clone(keepalive)
	garbage[0] = 0
	for what, short := range map[string][]byte{"part of a message": keepalive[:3], "garbage as long as a KEEPALIVE": garbage} {
		read(true)
		send(short)
		// More than one look: what was sent may take a while to come.
		expectWhile(what, len(short), nil, func() {
			if d.take() {
				t.Errorf("%s was taken for a KEEPALIVE", what)
			}
		})
	}

	read(true)
	send(cease)
	expect("a NOTIFICATION", len(cease), nil)

	read(false)
	send(keepalive[:3])
	expect("the rest of a message", 3, nil)

	read(true)
	there.Close()
	expect("the end", 0, io.EOF)
}
