package inspect

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// Files tells what a backend's Inspect has to say of the files of others:
// where they have addresses of want. observe is the backend's Observe, and
// stacks are those whose files count on this host; none means any. root is
// another system's folder, or empty for this host.
func Files(ctx context.Context, root string, observe func(context.Context) ([]plugins.VIPState, error),
	want []plugins.VIP, stacks ...detect.Stack) ([]plugins.Finding, error) {
	v := Look(os.DirFS(cmp.Or(root, "/")))
	v.Stacks, v.Want = stacks, want
	var err error
	if v.States, err = observe(ctx); err != nil {
		return nil, err
	}
	if root == "" {
		if v.Uplink, err = uplink(); err != nil {
			return nil, err
		}
	}
	return v.Findings(), nil
}

func uplink() (string, error) {
	conn, err := kernel.Open()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	l, err := conn.Uplink()
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return l.Name, err
}
