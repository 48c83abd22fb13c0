package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// requestTimeout bounds the wait for one answer of the kernel.
const requestTimeout = 10 * time.Second

// requester asks the kernel over one socket of its own, which stays in the
// network namespace where it was opened.
type requester struct{ sockets map[int]*nl.SocketHandle }

func openRequester() (*requester, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	tv := unix.NsecToTimeval(requestTimeout.Nanoseconds())
	if err := errors.Join(s.SetSendTimeout(&tv), s.SetReceiveTimeout(&tv)); err != nil {
		s.Close()
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// Strict checking makes the kernel honour the table in a route request, so
	// that a router need not copy all its tables (Linux 4.20). Without it we
	// get more than we asked for, and parseDefault sorts it out.
	_ = unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	return &requester{map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}}, nil
}

func (r *requester) close() { r.sockets[unix.NETLINK_ROUTE].Close() }

// list dumps one kind of object. A dump that changed under the kernel's hands
// may lack an object that never moved (NLM_F_DUMP_INTR), so it is asked again.
func (r *requester) list(ctx context.Context, get, answer uint16, header nl.NetlinkRequestData) ([][]byte, error) {
	pause := time.Millisecond
	for {
		req := nl.NewNetlinkRequest(int(get), unix.NLM_F_DUMP)
		req.Sockets = r.sockets
		req.AddData(header)
		msgs, err := req.Execute(unix.NETLINK_ROUTE, answer)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			return msgs, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the kernel's list kept changing: %w", ctx.Err())
		case <-time.After(pause):
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// table reads links and addresses.
func (r *requester) table(ctx context.Context) (*table, error) {
	t := newTable()
	links, err := r.list(ctx, unix.RTM_GETLINK, unix.RTM_NEWLINK, nl.NewIfInfomsg(unix.AF_UNSPEC))
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	for _, b := range links {
		l, err := parseLink(b)
		if errors.Is(err, errNoMessage) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("list links: %w", err)
		}
		t.setLink(l)
	}
	addrs, err := r.list(ctx, unix.RTM_GETADDR, unix.RTM_NEWADDR, nl.NewIfAddrmsg(unix.AF_UNSPEC))
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	for _, b := range addrs {
		p, err := parseAddr(b)
		if errors.Is(err, errNoMessage) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("list addresses: %w", err)
		}
		t.setAddr(p)
	}
	return t, nil
}

// uplinks finds the default routes with the lowest metric.
func (r *requester) uplinks(ctx context.Context) (uplinks, error) {
	var best uplinks
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		routes, err := r.defaults(ctx, family)
		if err != nil {
			return uplinks{}, err
		}
		index, metric := 0, uint32(0)
		for _, d := range routes {
			if index == 0 || d.metric < metric {
				index, metric = d.index, d.metric
			}
		}
		if family == unix.AF_INET {
			best.v4 = index
		} else {
			best.v6 = index
		}
	}
	return best, nil
}

// defaults lists the default routes of a family.
func (r *requester) defaults(ctx context.Context, family uint8) ([]route, error) {
	header := &nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Table: unix.RT_TABLE_MAIN}}
	msgs, err := r.list(ctx, unix.RTM_GETROUTE, unix.RTM_NEWROUTE, header)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT):
		return nil, nil // no such table yet, or a kernel without IPv6
	case err != nil:
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var all []route
	for _, b := range msgs {
		d, err := parseDefault(b)
		if errors.Is(err, errNoMessage) || err == nil && d.family != family {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		all = append(all, d)
	}
	return all, nil
}
