package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/core/health"
)

// maxTalk bounds what a check says and expects.
const maxTalk = 4096

// checkURL reads what to ask of a web server.
func checkURL(s string) (string, *mistake) {
	const form = `like "http://127.0.0.1:8080/healthz"`
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", &mistake{fmt.Sprintf("%q is no URL", s), form}
	case u.Scheme != "http" && u.Scheme != "https":
		return "", &mistake{"must begin with http:// or https://", form}
	case u.User != nil:
		return "", &mistake{"has a user or a password in it, which status and logs would show", "let the server answer its health check without one"}
	case len(s) > maxTalk:
		return "", &mistake{"is too long", ""}
	}
	if m := goodPort(u.Port()); u.Port() != "" && m != nil {
		return "", m
	}
	return s, nil
}

// hostPort reads the address of a server.
func hostPort(s string) (string, *mistake) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		hint := `a host and a port: "127.0.0.1:6379", "[::1]:6379"`
		if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Is6() {
			hint = fmt.Sprintf(`write the port after it: "[%s]:6379"`, a)
		} else if strings.HasPrefix(s, ":") {
			hint = fmt.Sprintf(`write "127.0.0.1%s"`, s)
		}
		return "", &mistake{fmt.Sprintf("%q is no address of a server", s), hint}
	}
	return s, goodPort(port)
}

func goodPort(port string) *mistake {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return &mistake{fmt.Sprintf("has no port %q", port), "a port is a number from 1 to 65535"}
	}
	return nil
}

// dnsServer reads the address of a name server; its port is 53 unless it is there.
func dnsServer(s string) (string, *mistake) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 53).String(), nil
	}
	if _, err := netip.ParseAddrPort(s); err != nil {
		return "", &mistake{fmt.Sprintf("%q is no address of a name server", s), `an address, with a port unless that is 53: "127.0.0.1", "[::1]:5353"`}
	}
	return hostPort(s)
}

// hostHeader reads the name of a web server.
func hostHeader(s string) (string, *mistake) {
	if s == "" || len(s) > 255 || strings.ContainsAny(s, " \t\r\n/") {
		return "", &mistake{fmt.Sprintf("%q is no name of a server", s), `like "www.example.com"`}
	}
	return s, nil
}

// expression reads a regular expression.
func expression(s string) (string, *mistake) {
	if len(s) > maxTalk {
		return "", &mistake{"is too long", ""}
	}
	if _, err := regexp.Compile(s); err != nil || s == "" {
		return "", &mistake{fmt.Sprintf("is no regular expression: %v", err), "the syntax is RE2's; in TOML, backslashes stay as they are in '...'"}
	}
	return s, nil
}

// talk reads what is said to a server, or by it.
func talk(s string) (string, *mistake) {
	if s == "" || len(s) > maxTalk {
		return "", &mistake{fmt.Sprintf("must be from 1 to %d bytes", maxTalk), ""}
	}
	return s, nil
}

// statusRanges reads HTTP status codes: "200-399", or an array of such.
func statusRanges(r *report, v *value) (any, bool) {
	if s, ok := v.data.(string); ok {
		v = &value{key: v.key, data: []any{s}, src: v.src, node: v.node}
	}
	if n, ok := v.data.(int64); ok {
		v = &value{key: v.key, data: []any{n}, src: v.src, node: v.node}
	}
	data, ok := v.data.([]any)
	if !ok || len(data) == 0 || len(data) > 64 {
		r.fail(v.whole(), `write status = "200-399", or ["200", "301-302"]`, "%s must be HTTP status codes", v.key)
		return nil, false
	}
	var out []health.StatusRange
	for i, d := range data {
		from, to, both := strings.Cut(fmt.Sprint(d), "-")
		if !both {
			to = from
		}
		a, errA := strconv.Atoi(strings.TrimSpace(from))
		z, errZ := strconv.Atoi(strings.TrimSpace(to))
		if errA != nil || errZ != nil || a < 100 || z > 599 || a > z {
			r.fail(v.elem(i, d).whole(), `a code from 100 to 599, or a range of them: "200-399"`, "%v is no HTTP status", d)
			return nil, false
		}
		out = append(out, health.StatusRange{From: a, To: z})
	}
	return out, true
}

// domain reads the name that a name server is asked for.
func domain(s string) (string, *mistake) {
	if s == "" || !health.KnownName(s) {
		return "", &mistake{fmt.Sprintf("%q is no domain name", s), ""}
	}
	return s, nil
}

func recordType(s string) (string, *mistake) {
	if !health.KnownType(s) {
		known := []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}
		return "", &mistake{fmt.Sprintf("%q is no type of a record", s), wordHint(s, known)}
	}
	return s, nil
}

func responseCode(s string) (string, *mistake) {
	if !health.KnownRCode(s) {
		known := []string{"NOERROR", "NXDOMAIN", "REFUSED", "SERVFAIL"}
		return "", &mistake{fmt.Sprintf("%q is no response code", s), wordHint(s, known)}
	}
	return s, nil
}

// wordHint is didYouMean for words in capitals.
func wordHint(s string, known []string) string {
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, s) }); i >= 0 {
		return fmt.Sprintf("write %q", known[i])
	}
	return "known: " + strings.Join(known, ", ") + " ..."
}

// programName reads a program: its path, or its name alone.
func programName(s string) (string, *mistake) {
	if s == "" || strings.ContainsRune(s, 0) {
		return "", &mistake{"has no program", `like ["/usr/local/bin/check-app", "an argument"]`}
	}
	if strings.Contains(s, "/") {
		return absolute(s)
	}
	return s, nil
}

// processName reads the name that a process has in /proc.
func processName(s string) (string, *mistake) {
	switch {
	case strings.Contains(s, "/"):
		return "", &mistake{"is the name of a process, without folders", fmt.Sprintf("write %q", filepath.Base(s))}
	case s == "" || len(s) > 255 || strings.ContainsAny(s, "\x00\n"):
		return "", &mistake{fmt.Sprintf("%q is no name of a process", s), "`ps -e` shows them"}
	}
	return s, nil
}

// unitName reads the name of a systemd unit (systemd.unit(5)).
func unitName(s string) (string, *mistake) {
	kinds := []string{".service", ".socket", ".target", ".mount", ".automount", ".timer", ".path", ".slice", ".scope", ".device", ".swap"}
	switch dot := strings.LastIndexByte(s, '.'); {
	case s == "" || len(s) > 255 || strings.ContainsAny(s, "/ \t\n\x00"):
		return "", &mistake{fmt.Sprintf("%q is no name of a unit", s), "`systemctl list-units` shows them"}
	case dot < 1 || !slices.Contains(kinds, s[dot:]):
		return "", &mistake{fmt.Sprintf("%q does not say which kind of unit", s), fmt.Sprintf("write %q", s+".service")}
	}
	return s, nil
}
