package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/contrib/packaging/changelog"
)

// sdk is the module that third parties import; it lies in the folder plugins
// and has tags of its own.
const sdk = "github.com/stentor-net/stentor/plugins"

// repo is a checkout of the source.
type repo struct{ dir string }

// problems are why this version can't be released from here, each with what is
// to be done: all of them at once, since the remedy of most is another commit.
func (r repo) problems(ctx context.Context, version string) ([]string, error) {
	var all []string
	for _, check := range []func(context.Context, string) ([]string, error){r.committed, r.tagged, r.written, r.sdkTagged} {
		found, err := check(ctx, version)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// committed: what is built is what everybody can get.
func (r repo) committed(ctx context.Context, _ string) ([]string, error) {
	out, err := r.git(ctx, "status", "--porcelain")
	if err != nil || out == "" {
		return nil, err
	}
	lines := strings.Split(out, "\n")
	return []string{fmt.Sprintf("%d files are not as they were committed, %s among them: commit them, or git stash -u", len(lines), strings.TrimSpace(lines[0][2:]))}, nil
}

// tagged: the version's tag is here.
func (r repo) tagged(ctx context.Context, version string) ([]string, error) {
	head, err := r.git(ctx, "rev-parse", "--short", "HEAD")
	if err != nil {
		return nil, err
	}
	at, err := r.tag(ctx, "v"+version)
	switch {
	case err != nil:
		return nil, err
	case at == "":
		return []string{fmt.Sprintf("there is no tag v%s: git tag -s -m 'Stentor %[1]s' v%[1]s", version)}, nil
	case at != head:
		return []string{fmt.Sprintf("the tag v%s is at %s, and this is %s: git checkout v%[1]s, or release another version", version, at, head)}, nil
	}
	return nil, nil
}

// written: CHANGELOG.md tells what is new.
func (r repo) written(_ context.Context, version string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "CHANGELOG.md"))
	if err != nil {
		return nil, err
	}
	versions, err := changelog.Parse(string(text))
	if err != nil {
		return nil, err
	}
	var found []string
	if len(versions) > 0 && versions[0].Unreleased() && len(versions[0].Notes) > 0 {
		found = append(found, fmt.Sprintf("CHANGELOG.md has changes under Unreleased: move them below a heading \"## [%s] - DATE\"", version))
	}
	i := slices.IndexFunc(versions, func(v changelog.Version) bool { return v.Name == version })
	switch {
	case i < 0:
		found = append(found, fmt.Sprintf("CHANGELOG.md has no heading \"## [%s] - DATE\"", version))
	case versions[i].Date.IsZero():
		found = append(found, fmt.Sprintf("CHANGELOG.md has no date for %s: write \"## [%[1]s] - DATE\", with DATE as 2026-11-22", version))
	case len(versions[i].Notes) == 0:
		found = append(found, fmt.Sprintf("CHANGELOG.md has nothing below %s: say what is new", version))
	}
	return found, nil
}

// replaced is a replacement for which no reason is given on its line.
var replaced = regexp.MustCompile(`(?m)^\s*(?:replace\s+)?(\S+).*=>\s*\S+[^/\n]*$`)

// sdkTagged: who imports the SDK, or a package of this module, gets the plugins
// that this version was built with.
func (r repo) sdkTagged(ctx context.Context, version string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "go.mod"))
	if err != nil {
		return nil, err
	}
	var found []string
	if m := replaced.FindSubmatch(text); m != nil {
		found = append(found, fmt.Sprintf("go.mod replaces %s, so that `go install .../cmd/stentor@v%s` is refused: drop that, or say why it stays in a comment at the end of the line", m[1], version))
	}
	required, err := r.required(ctx)
	if err != nil {
		return nil, err
	}
	tag := "plugins/" + required
	at, err := r.tag(ctx, tag)
	if err != nil {
		return nil, err
	}
	if at == "" {
		return append(found, fmt.Sprintf("go.mod requires %s %s, and there is no tag %s: git tag -s -m 'Stentor SDK %s' plugins/v%[4]s, push it, then go mod edit -require=%[1]s@v%[4]s", sdk, required, tag, version)), nil
	}
	changed, err := r.git(ctx, "diff", "--name-only", "refs/tags/"+tag, "HEAD", "--", "plugins")
	if err != nil {
		return nil, err
	}
	if changed != "" {
		first, _, _ := strings.Cut(changed, "\n")
		found = append(found, fmt.Sprintf("%s has changed since the tag %s, which go.mod requires: tag plugins/v%s and require that", first, tag, version))
	}
	return found, nil
}

// required is the version of the SDK that go.mod has.
func (r repo) required(ctx context.Context) (string, error) {
	out, err := r.command(ctx, "go", "mod", "edit", "-json")
	if err != nil {
		return "", err
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal([]byte(out), &mod); err != nil {
		return "", fmt.Errorf("go mod edit -json: %w", err)
	}
	for _, m := range mod.Require {
		if m.Path == sdk {
			return m.Version, nil
		}
	}
	return "", fmt.Errorf("go.mod does not require %s", sdk)
}

// tag is the commit of a tag, shortened, and "" when there is none.
func (r repo) tag(ctx context.Context, name string) (string, error) {
	out, err := r.git(ctx, "rev-parse", "--quiet", "--verify", "--short", "refs/tags/"+name+"^{commit}")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", nil
	}
	return out, err
}

func (r repo) git(ctx context.Context, args ...string) (string, error) {
	return r.command(ctx, "git", args...)
}

// command gives what it printed, without the last newline. When ctx ends, so do
// it and its children.
func (r repo) command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, said.String())
	}
	return strings.TrimRight(string(out), "\n"), nil
}
