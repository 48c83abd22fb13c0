package ifupdown

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/inspect"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/netbackends/internal/run"
	"github.com/stentor-net/stentor/plugins"
)

// Inspect implements plugins.Inspector.
func (b *Backend) Inspect(ctx context.Context, want []plugins.VIP) ([]plugins.Finding, error) {
	found, err := inspect.Files(ctx, b.root, b.Observe, want, detect.Ifupdown)
	if err != nil {
		return nil, err
	}
	i, err := netfiles.ReadInterfaces(b.stack.files)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil // Detect says that there is no ifupdown
	} else if err != nil {
		return nil, err
	}
	flavour := ""
	if b.root == "" {
		if flavour, err = version(ctx); err != nil {
			return nil, err
		}
	}
	found = append(found, sourcing(i, flavour, b.stack.addSource)...)
	return append(append(found, aliases(i, flavour)...), leftovers(i)...), nil
}

// The kinds of findings.
const (
	codeSource   plugins.Code = "ifupdown-source"
	codeGlob     plugins.Code = "ifupdown-ng-glob"
	codeAlias    plugins.Code = "ifupdown-alias"
	codeLeftover plugins.Code = "ifupdown-leftover"
)

// aliases: "iface lo:web" is a unit of its own to the classic ifupdown alone.
func aliases(i netfiles.Interfaces, flavour string) []plugins.Finding {
	var all []plugins.Finding
	for _, l := range i.Lines {
		if l.Words[0] != "iface" || len(l.Words) < 2 || !strings.HasPrefix(l.Words[1], "lo:") {
			continue
		}
		f := plugins.Finding{Code: codeAlias, Severity: plugins.SeverityWarning, Object: "ifupdown", Path: l.Path, Line: l.Number,
			Hint: "take it out; Stentor needs no alias"}
		switch {
		case strings.HasPrefix(flavour, "ifupdown-ng"):
			f.Message = fmt.Sprintf("ifdown %s empties lo, 127.0.0.1 included (%s)", l.Words[1], flavour)
		case strings.HasPrefix(flavour, "ifupdown2"):
			f.Message = fmt.Sprintf("%s knows no aliases: %s never comes up", flavour, l.Words[1])
		default:
			continue
		}
		all = append(all, f)
	}
	return all
}

// leftovers: "source" reads backups of editors and packages like any other file.
func leftovers(i netfiles.Interfaces) []plugins.Finding {
	var all []plugins.Finding
	last := ""
	for _, l := range i.Lines {
		leftover := strings.HasSuffix(l.Path, "~")
		for _, end := range []string{".bak", ".old", ".orig", ".save", ".tmp", ".dpkg-old", ".dpkg-dist", ".dpkg-new"} {
			leftover = leftover || strings.HasSuffix(l.Path, end)
		}
		if !leftover || l.Path == last {
			continue
		}
		last = l.Path
		all = append(all, plugins.Finding{
			Code: codeLeftover, Severity: plugins.SeverityWarning, Object: "ifupdown", Path: l.Path,
			Message: "this looks like a backup, and is read like any other file of this folder: what it has stands twice, or comes back",
			Hint:    "delete it, or move it to another folder",
		})
	}
	return all
}

// version is the first line of `ifup --version`; "" without ifup.
func version(ctx context.Context) (string, error) {
	r, err := run.Command(ctx, "ifup", "--version")
	if errors.Is(err, exec.ErrNotFound) {
		return "", nil
	}
	first, _, _ := strings.Cut(r.Stdout, "\n")
	return first, err
}

// sourcing tells what is wrong with the lines that have other files read.
func sourcing(i netfiles.Interfaces, flavour string, addSource bool) []plugins.Finding {
	var all []plugins.Finding
	if !i.Reads(own) && !addSource {
		all = append(all, plugins.Finding{
			Code: codeSource, Severity: plugins.SeverityProblem, Object: "ifupdown", Path: interfaces,
			Message: fmt.Sprintf("it does not read %s, so shared IPs would be lost at the next reboot, and apply refuses", own),
			Hint: fmt.Sprintf("add this line: %s; or set add_source_line = true in [backend.ifupdown]",
				strings.TrimSpace(sourceLine)),
		})
	}
	for _, l := range i.Lines {
		glob := l.Words[0] == "source" && strings.ContainsAny(strings.Join(l.Words[1:], ""), "*?[")
		if glob && strings.HasPrefix(flavour, "ifupdown-ng") {
			all = append(all, plugins.Finding{
				Code: codeGlob, Severity: plugins.SeverityProblem, Object: "ifupdown-ng", Path: l.Path, Line: l.Number,
				Message: fmt.Sprintf("%s can't read %q and refuses the whole file: no link comes up at the next boot", flavour, strings.Join(l.Words, " ")),
				Hint:    "write: source-directory /etc/network/interfaces.d",
			})
		}
	}
	return all
}
