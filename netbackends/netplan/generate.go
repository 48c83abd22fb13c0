package netplan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/netbackends/internal/networkd"
	"github.com/stentor-net/stentor/netbackends/internal/run"
	"github.com/stentor-net/stentor/plugins"
)

// errNoNetplan: there is no netplan here to ask.
var errNoNetplan = errors.New("netplan is not installed")

// renderers are the programs behind `netplan generate`, newest layout first.
// The command itself is no good for a look: with --root-dir too it has udev
// and systemd reload, and systemd then has netplan render all of the running
// system's files anew, with whatever an admin has not applied yet (1.1.2).
var renderers = []string{"/usr/libexec/netplan/configure", "/usr/libexec/netplan/generate", "/usr/lib/netplan/generate", "/lib/netplan/generate"}

func renderer() (string, error) {
	for _, r := range renderers {
		if st, err := os.Stat(r); err == nil && st.Mode().IsRegular() {
			return r, nil
		}
	}
	return "", errNoNetplan
}

// generate has netplan's own parser read a copy of all its files, with changes
// done, and render them into a temporary root, which it gives to use. The
// running system is not touched.
func (s *stack) generate(ctx context.Context, changes []*hostfile.Change, use func(rendered string) error) error {
	program, err := renderer()
	if err != nil {
		return err
	}
	return s.scratch.Use(ctx, func(temp string) error {
		if err := renderCopy(ctx, program, s.files, changes, temp); err != nil {
			return err
		}
		return use(temp)
	})
}

func renderCopy(ctx context.Context, program string, root fs.FS, changes []*hostfile.Change, temp string) error {
	for _, dir := range netfiles.NetplanFolders() {
		if err := copyFolder(root, dir, temp); err != nil {
			return fmt.Errorf("copy /%s to check it: %w", dir, err)
		}
	}
	for _, c := range changes {
		if err := stage(temp, c.After); err != nil {
			return err
		}
	}
	_, err := run.Command(ctx, program, "--root-dir", temp)
	var refused *run.Error
	if errors.As(err, &refused) {
		// It names the copy; a person looks for the original.
		say := strings.ReplaceAll(strings.TrimSpace(refused.Stderr), temp, "")
		return &unread{say}
	}
	return err
}

// unread is what netplan's own parser says of its files.
type unread struct{ say string }

func (u *unread) Error() string { return "netplan can't read the result:\n" + u.say }

func copyFolder(root fs.FS, dir, temp string) error {
	names, err := fs.Glob(root, dir+"/*.yaml")
	if err != nil || len(names) == 0 {
		return err
	}
	if err := os.MkdirAll(filepath.Join(temp, dir), 0o700); err != nil {
		return err
	}
	for _, n := range names {
		content, err := netfiles.Read(root, n)
		if err != nil {
			return err
		}
		// Not readable by others, so that netplan has nothing to warn of.
		if err := os.WriteFile(filepath.Join(temp, n), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func stage(temp string, s hostfile.Snapshot) error {
	at := filepath.Join(temp, s.Path)
	if !s.Exists {
		if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	return os.WriteFile(at, s.Body, 0o600)
}

// Check implements dropin.Stack.
func (s *stack) Check(ctx context.Context, changes []*hostfile.Change) error {
	var ours []byte
	for _, c := range changes {
		if c.After.Path == own {
			ours = c.After.Body
		}
	}
	err := s.generate(ctx, changes, func(temp string) error { return s.effective(temp, ours) })
	if !errors.Is(err, errNoNetplan) {
		return err
	}
	if ours == nil {
		return nil // what was ours can go without it
	}
	if s.dir == "/" {
		return fmt.Errorf("%w: %w", err, plugins.ErrUnsupported)
	}
	// An image is built where netplan may be missing; then our own reader's
	// word has to do.
	_, err = readConfig(s.files)
	return err
}

// effective tells whether networkd would use what netplan rendered of our
// file: of all files that match lo it reads the first one only.
func (s *stack) effective(temp string, ours []byte) error {
	if ours == nil {
		return nil
	}
	fresh, err := networkd.ForLo(os.DirFS(temp), func(string) bool { return false })
	if err != nil {
		return err
	}
	if len(fresh) == 0 {
		return fmt.Errorf("netplan takes %s, and renders nothing for lo from it: %w", own, plugins.ErrUnsupported)
	}
	first := fresh[0]
	theirs, err := networkd.ForLo(s.files, func(p string) bool { return strings.HasPrefix(p, rendered+"10-netplan-") })
	if err != nil {
		return err
	}
	if len(theirs) > 0 && theirs[0].Name() <= first.Name() {
		return fmt.Errorf("%s takes lo before netplan's %s, so netplan's addresses for lo are not used: "+
			"move it away, or name the other backend: [network] backend = \"networkd\": %w", theirs[0].Path, first.Name(), plugins.ErrForeign)
	}
	content, err := os.ReadFile(filepath.Join(temp, first.Path))
	if err != nil {
		return err
	}
	for _, p := range prefixes(ours) {
		if !bytes.Contains(content, []byte("Address="+p+"\n")) {
			return fmt.Errorf("netplan does not put %s of %s into %s, the file of lo:\n%s%w", p, own, first.Path, content, plugins.ErrUnsupported)
		}
	}
	return nil
}
