package plugintest

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// hostState is what the suite can see of a host.
type hostState struct {
	addrs   map[string]bool      // "PREFIX LINK", and "link LINK FLAGS" for the links
	files   map[string]string    // mode and content
	written map[string]time.Time // when
}

// look reads the kernel's view, by another way than a backend is likely to use.
func look(dirs []string) (hostState, error) {
	s := hostState{addrs: map[string]bool{}}
	links, err := net.Interfaces()
	if err != nil {
		return s, fmt.Errorf("list the links: %w", err)
	}
	for _, l := range links {
		s.addrs[fmt.Sprintf("link %s %s", l.Name, l.Flags)] = true
		addrs, err := l.Addrs()
		if err != nil {
			return s, fmt.Errorf("list the addresses of %s: %w", l.Name, err)
		}
		for _, a := range addrs {
			s.addrs[a.String()+" "+l.Name] = true
		}
	}
	s.files, s.written, err = files(dirs)
	return s, err
}

// differs tells what changed from s to t; "" is nothing.
func (s hostState) differs(t hostState) string {
	var say []string
	for a := range s.addrs {
		if !t.addrs[a] {
			say = append(say, "gone: "+a)
		}
	}
	for a := range t.addrs {
		if !s.addrs[a] {
			say = append(say, "new: "+a)
		}
	}
	for path, was := range s.files {
		is, ok := t.files[path]
		switch {
		case !ok:
			say = append(say, "gone: "+path)
		case is != was:
			say = append(say, "changed: "+path)
		}
	}
	for path := range t.files {
		if _, ok := s.files[path]; !ok {
			say = append(say, "new: "+path)
		}
	}
	slices.Sort(say)
	return strings.Join(say, "; ")
}

// rewritten names a file that was written again with what it held already; ""
// if there is none.
func (s hostState) rewritten(t hostState) string {
	for path, was := range s.written {
		if is, ok := t.written[path]; ok && !is.Equal(was) {
			return path
		}
	}
	return ""
}

// where lists the places of an address, as "PREFIX LINK".
func where(a netip.Addr) ([]string, error) {
	s, err := look(nil)
	if err != nil {
		return nil, err
	}
	return s.where(a), nil
}

func (s hostState) where(a netip.Addr) []string {
	var at []string
	for entry := range s.addrs {
		if addr, _, ok := strings.Cut(entry, "/"); ok && addr == a.String() {
			at = append(at, entry)
		}
	}
	slices.Sort(at)
	return at
}

// hosted expects each address once, with its host length, and the rest nowhere.
func hosted(want []plugins.VIP, not ...plugins.VIP) error {
	for _, v := range want {
		at, err := where(v.Addr)
		if err != nil {
			return err
		}
		if len(at) != 1 || !strings.HasPrefix(at[0], v.Prefix().String()+" ") {
			return fmt.Errorf("the host shall have %s once, and has it: %q", v.Prefix(), at)
		}
	}
	for _, v := range not {
		at, err := where(v.Addr)
		if err != nil {
			return err
		}
		if len(at) > 0 {
			return fmt.Errorf("the host shall not have %s, and has %q", v.Addr, at)
		}
	}
	return nil
}

// ip runs ip(8) as somebody else would.
func ip(args ...string) error {
	cmd := exec.Command("ip", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}

// somebodyAdds puts an address there behind the backend's back.
func somebodyAdds(v plugins.VIP) error {
	args := []string{"address", "add", v.Prefix().String(), "dev", v.Link}
	if v.Addr.Is6() {
		args = append(args, "nodad")
	}
	return ip(args...)
}

// somebodyDeletes takes an address away, wherever it stands.
func somebodyDeletes(v plugins.VIP) error {
	at, err := where(v.Addr)
	if err != nil {
		return err
	}
	for _, entry := range at {
		prefix, link, _ := strings.Cut(entry, " ")
		if err := ip("address", "del", prefix, "dev", link); err != nil {
			return err
		}
	}
	return nil
}
