package networkd

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/inspect"
	"github.com/stentor-net/stentor/netbackends/internal/networkd"
	"github.com/stentor-net/stentor/plugins"
)

const codeOrphan plugins.Code = "networkd-orphan"

// Inspect implements plugins.Inspector. What netplan renders is networkd's too.
func (b *Backend) Inspect(ctx context.Context, want []plugins.VIP) ([]plugins.Finding, error) {
	found, err := inspect.Files(ctx, b.root, b.Observe, want, detect.Networkd, detect.Netplan)
	if err != nil {
		return nil, err
	}
	traps, err := networkd.Traps(b.stack.files, false)
	if err != nil {
		return nil, err
	}
	places, err := b.stack.Places()
	if err != nil {
		return nil, err
	}
	used, err := networkd.ForLo(b.stack.files, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	return append(append(found, traps...), orphans(places, used)...), nil
}

// orphans are drop-ins of ours whose file is gone, or does not count any more
// beside another one: networkd reads of all files for lo the first.
func orphans(places []hostfile.Want, used []networkd.File) []plugins.Finding {
	var all []plugins.Finding
	for _, p := range places {
		if p.Path == own {
			continue
		}
		base := strings.TrimSuffix(path.Base(path.Dir(p.Path)), ".d")
		if len(used) > 0 && used[0].Name() == base {
			continue
		}
		all = append(all, plugins.Finding{
			Code: codeOrphan, Severity: plugins.SeverityWarning, Object: "networkd", Path: p.Path,
			Message: fmt.Sprintf("networkd does not read this drop-in: %s is gone, or another file is for lo before it; the addresses would be lost at the next reboot", base),
			Hint:    "stentor apply writes them where networkd reads them",
		})
	}
	return all
}
