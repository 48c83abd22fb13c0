package main

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

var signalNumbers = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL,
	"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
}

// netns moves the script's thread, and so all that it starts, into namespaces
// that vanish with it: nothing of the machine's network or mounts is touched.
// The thread is never unlocked, so it ends with the script.
func netns(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: netns [IP...]")
	}
	runtime.LockOSThread()
	ts.Check(unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS))
	ts.Check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	ts.Check(ts.Exec("ip", "link", "set", "lo", "up"))
	for _, a := range args {
		ts.Check(ts.Exec("ip", "address", "add", a, "dev", "lo"))
	}
}

// peers are a script's BGP peers by name.
type peers map[string]*bgppeer.Peer

type peersKey struct{}

func peersOf(ts *testscript.TestScript) peers { return ts.Value(peersKey{}).(peers) }

func peer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: peer NAME IP ASN")
	}
	addr, err := netip.ParseAddr(args[1])
	ts.Check(err)
	asn, err := strconv.ParseUint(args[2], 10, 32)
	ts.Check(err)
	bytes := addr.As16() // an IPv4 address is the end of its IPv6 form
	p, err := bgppeer.Start(bgppeer.Config{Listen: netip.AddrPortFrom(addr, 179), ASN: uint32(asn), RouterID: netip.AddrFrom4([4]byte(bytes[12:]))})
	ts.Check(err)
	peersOf(ts)[args[0]] = p
	ts.Defer(func() { _ = p.Close() })
}

func peerDown(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: peerdown NAME")
	}
	ts.Check(find(ts, args[0]).Close())
}

func find(ts *testscript.TestScript, name string) *bgppeer.Peer {
	p := peersOf(ts)[name]
	if p == nil {
		ts.Fatalf("no peer is called %s", name)
	}
	return p
}

// route waits for what a peer's table has.
func route(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: [!] route NAME IP/LEN [COMMUNITY]")
	}
	p := find(ts, args[0])
	prefix, err := netip.ParsePrefix(args[1])
	ts.Check(err)
	what := "route " + strings.Join(args, " ")
	if neg {
		what = "no " + what
	}
	eventually(ts, what, func() bool {
		attrs, have := p.Table()[prefix]
		return (have && (len(args) == 2 || carries(attrs, args[2]))) != neg
	})
}

// sent looks at all that the peer was ever told: what lasts for a moment may
// be over before a busy machine lets us look at the table.
func sent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: sent NAME IP/LEN COMMUNITY")
	}
	prefix, err := netip.ParsePrefix(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = find(ts, args[0]).Wait(ctx, func(e bgppeer.Event) bool {
		return e.Update != nil && slices.Contains(e.Update.Announced, prefix) && carries(e.Update.Attributes, args[2])
	})
	ts.Check(err)
}

func carries(attrs bgppeer.Attributes, community string) bool {
	return slices.ContainsFunc(attrs.Communities, func(c uint32) bool {
		return strconv.Itoa(int(c>>16))+":"+strconv.Itoa(int(c&0xffff)) == community
	})
}

// farewell checks the end of a session: the withdrawal, then Cease.
func farewell(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: farewell NAME IP/LEN")
	}
	p := find(ts, args[0])
	prefix, err := netip.ParsePrefix(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	withdrawn := false
	_, err = p.Wait(ctx, func(e bgppeer.Event) bool {
		switch {
		case e.Update != nil && slices.Contains(e.Update.Withdrawn, prefix):
			withdrawn = true
		case e.Update != nil && slices.Contains(e.Update.Announced, prefix):
			withdrawn = false
		}
		return withdrawn && e.Notification != nil && e.Notification.Code == 6
	})
	ts.Check(err)
}

// stale leaves a socket behind as a crash does: there, and nobody listens.
func stale(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stale PATH")
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: ts.MkAbs(args[0])})
	ts.Check(err)
	l.SetUnlinkOnClose(false)
	ts.Check(l.Close())
}
