package iproute

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/inspect"
	"github.com/stentor-net/stentor/plugins"
)

const codeForeign plugins.Code = "networkd-foreign-addresses"

// Inspect implements plugins.Inspector. Whatever stack runs here, its files
// may bring the addresses too.
func (b *Backend) Inspect(ctx context.Context, want []plugins.VIP) ([]plugins.Finding, error) {
	found, err := inspect.Files(ctx, "", b.Observe, want)
	return append(found, swept(os.DirFS("/"), want)...), err
}

// swept: systemd-networkd takes off a link of its own, lo apart, what it did
// not put there, each time that it starts or the link changes.
func swept(root fs.FS, want []plugins.VIP) []plugins.Finding {
	if b, err := fs.ReadFile(root, "sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.procs"); err != nil || strings.TrimSpace(string(b)) == "" {
		return nil // what it left in /run says nothing
	}
	seen := map[string]bool{"lo": true}
	var all []plugins.Finding
	for _, v := range want {
		if seen[v.Link] {
			continue
		}
		seen[v.Link] = true
		index, err := fs.ReadFile(root, path.Join("sys/class/net", v.Link, "ifindex"))
		if err != nil {
			continue
		}
		state, err := fs.ReadFile(root, path.Join("run/systemd/netif/links", strings.TrimSpace(string(index))))
		if err != nil || !strings.Contains(string(state), "ADMIN_STATE=configured\n") {
			continue
		}
		all = append(all, plugins.Finding{
			Code: codeForeign, Severity: plugins.SeverityWarning, Object: "link " + v.Link,
			Message: fmt.Sprintf("systemd-networkd configures %s too, and takes shared IPs off it when it starts anew, as by an upgrade", v.Link),
			Hint:    `leave link out, so that they stand on lo, or write KeepConfiguration=yes into [Network] of its file`,
		})
	}
	return all
}
