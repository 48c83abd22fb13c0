package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// addresses gives the link of each address that the host has; lo for one that
// is there besides.
func addresses() (map[netip.Addr]string, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the links: %w", err)
	}
	found := map[netip.Addr]string{}
	for _, l := range links {
		addrs, err := l.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list the addresses of %s: %w", l.Name, err)
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && found[p.Addr()] != "lo" {
				found[p.Addr()] = l.Name
			}
		}
	}
	return found, nil
}

// ip adds an address or deletes it. Busybox's ip(8) will do.
func ip(ctx context.Context, verb string, a netip.Addr) error {
	cmd := exec.CommandContext(ctx, "ip", "address", verb, host(a).String(), "dev", "lo")
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), errors.Join(err, ctx.Err()), strings.TrimSpace(string(out)))
	}
	return nil
}

// onAddressChange calls f now, and whenever the kernel tells of an address
// (rtnetlink(7)), until ctx ends.
func onAddressChange(ctx context.Context, f func() error) error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	events := os.NewFile(uintptr(fd), "netlink")
	defer events.Close()
	groups := uint32(1<<(syscall.RTNLGRP_IPV4_IFADDR-1) | 1<<(syscall.RTNLGRP_IPV6_IFADDR-1))
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groups}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for buffer := make([]byte, 64<<10); ; {
		if err := f(); err != nil && ctx.Err() == nil {
			return err
		}
		// What it tells does not matter: f looks at the host as it is.
		if _, err := events.Read(buffer); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return fmt.Errorf("events of the kernel: %w", err)
		}
	}
}
