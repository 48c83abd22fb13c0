package netplan

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/inspect"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/netbackends/internal/networkd"
	"github.com/stentor-net/stentor/plugins"
)

// The kinds of findings.
const (
	codeInvalid plugins.Code = "netplan-invalid"
	codeMode    plugins.Code = "netplan-mode"
)

// Inspect implements plugins.Inspector.
func (b *Backend) Inspect(ctx context.Context, want []plugins.VIP) ([]plugins.Finding, error) {
	found, err := inspect.Files(ctx, b.root, b.Observe, want, detect.Netplan)
	if err != nil {
		return nil, err
	}
	traps, err := networkd.Traps(b.stack.files, true)
	if err != nil {
		return nil, err
	}
	found = append(append(found, traps...), readable(b.stack.files)...)
	var refused *unread
	if errors.As(b.stack.generate(ctx, nil, func(string) error { return nil }), &refused) {
		found = append(found, invalid(refused.say))
	}
	return found, nil // that netplan can't be asked is for Plan to tell
}

// where is how netplan's complaints begin: FILE:LINE:COLUMN: TEXT.
var where = regexp.MustCompile(`(?m)^(/[^:\n]+):(\d+):\d+: (.*)$`)

// invalid: netplan takes all of its files or none.
func invalid(say string) plugins.Finding {
	f := plugins.Finding{Code: codeInvalid, Severity: plugins.SeverityProblem, Object: "netplan",
		Hint: "mend it; netplan generate says the same, and draws the place"}
	what, _, _ := strings.Cut(say, "\n")
	if m := where.FindStringSubmatch(say); m != nil {
		f.Path, what = m[1], m[3]
		f.Line, _ = strconv.Atoi(m[2]) // digits
	}
	f.Message = "netplan can't read its files, so none of them has an effect at the next boot, and stentor apply refuses: " + what
	return f
}

// readable: keys of wireless networks and tunnels stand in such files.
func readable(root fs.FS) []plugins.Finding {
	var all []plugins.Finding
	for _, n := range netfiles.NetplanFiles(root) {
		if st, err := fs.Stat(root, n); err == nil && st.Mode()&0o077 != 0 && strings.HasPrefix(n, "etc/") {
			all = append(all, plugins.Finding{
				Code: codeMode, Severity: plugins.SeverityNote, Object: "netplan", Path: "/" + n,
				Message: "others than root can read this file, and netplan warns of it each time", Hint: "chmod 600 /" + n,
			})
		}
	}
	return all
}
