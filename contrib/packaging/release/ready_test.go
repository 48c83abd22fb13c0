package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// scratch is a repository that is ready to release 1.2.0, in which a test
// spoils something.
func scratch(t *testing.T) repo {
	t.Helper()
	r := repo{t.TempDir()}
	r.write(t, "CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## [1.2.0] - 2026-11-22\n\n- one\n\n## [1.1.0] - 2025-01-01\n\n- zero\n")
	r.write(t, "go.mod", "module github.com/stentor-net/stentor\n\ngo 1.26.0\n\nrequire "+sdk+" v1.2.0\n")
	r.write(t, "plugins/go.mod", "module "+sdk+"\n\ngo 1.26.0\n")
	r.run(t, `git init -q -b main && git config user.name test && git config user.email test@example.net && git config commit.gpgsign false && git config tag.gpgsign false
		git add . && git commit -qm one && git tag v1.2.0 && git tag plugins/v1.2.0`)
	return r
}

func (r repo) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r repo) run(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// edit changes a file, and moves the tag of the version along.
func edit(name, from, to string) func(*testing.T, repo) {
	return func(t *testing.T, r repo) {
		text, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), from) {
			t.Fatalf("%s has no %q", name, from)
		}
		r.write(t, name, strings.Replace(string(text), from, to, 1))
		r.run(t, "git commit -qam edited && git tag -f v1.2.0")
	}
}

func sh(script string) func(*testing.T, repo) {
	return func(t *testing.T, r repo) { r.run(t, script) }
}

func TestProblems(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	const replace = "\nreplace " + sdk + " => ./plugins"
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, repo)
		want  []string // what each problem tells; none: it can be released
	}{
		{"ready", sh(":"), nil},
		{"an annotated tag", sh("git tag -f -m 1.2.0 v1.2.0"), nil},
		{"a file that is not committed", sh("echo x >more"), []string{"1 files are not as they were committed, more among them"}},
		{"files that are edited", sh("echo >>go.mod; echo >>CHANGELOG.md"), []string{"2 files"}},
		{"no tag", sh("git tag -d v1.2.0"), []string{"there is no tag v1.2.0: git tag -s"}},
		{"a commit after the tag", sh("git commit -q --allow-empty -m more"), []string{"the tag v1.2.0 is at "}},
		{"a branch of that name", sh("git tag -d v1.2.0 && git branch v1.2.0"), []string{"there is no tag v1.2.0"}},
		{"changes that are unreleased", edit("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- two\n"), []string{"has changes under Unreleased"}},
		{"no heading", edit("CHANGELOG.md", "## [1.2.0] - 2026-11-22\n\n- one\n", ""), []string{`no heading "## [1.2.0] - DATE"`}},
		{"no date", edit("CHANGELOG.md", " - 2026-11-22", ""), []string{"no date for 1.2.0"}},
		{"nothing new", edit("CHANGELOG.md", "- one\n", ""), []string{"nothing below 1.2.0"}},
		{"an SDK without a tag", sh("git tag -d plugins/v1.2.0"), []string{"no tag plugins/v1.2.0: git tag -s"}},
		{"an SDK that changed", edit("plugins/go.mod", "go 1.26.0", "go 1.26.1"), []string{"plugins/go.mod has changed since the tag plugins/v1.2.0"}},
		{"an older SDK", sh("git tag -d v1.2.0 && git tag plugins/v1.1.0 && git tag -d plugins/v1.2.0 && " +
			"go mod edit -require=" + sdk + "@v1.1.0 && git commit -qam older && git tag v1.2.0"), nil},
		{"a replacement", edit("go.mod", "\nrequire", replace+"\nrequire"), []string{"go.mod replaces " + sdk}},
		{"one in a block", edit("go.mod", "\nrequire", "\nreplace (\n\t"+sdk+" => ./plugins\n)\nrequire"), []string{"go.mod replaces " + sdk}},
		{"a replacement with a reason", edit("go.mod", "\nrequire", replace+" // one commit may change both\nrequire"), nil},
		{"all at once", sh("git tag -d v1.2.0 plugins/v1.2.0 && rm CHANGELOG.md && echo '# Changelog' >CHANGELOG.md"), []string{"1 files", "no tag v1.2.0", "no heading", "no tag plugins/v1.2.0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := scratch(t)
			c.spoil(t, r)
			got, err := r.problems(t.Context(), "1.2.0")
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.want) {
				t.Fatalf("want %d problems, got %q", len(c.want), got)
			}
			for i, want := range c.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("want %q, got %q", want, got[i])
				}
			}
		})
	}
}

// TestRefusal: nothing is built of what can't be released.
func TestRefusal(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	r := scratch(t)
	t.Chdir(r.dir)
	err := run(t.Context(), "1.3.0", "all", "dist", false)
	if err == nil || !strings.Contains(err.Error(), "1.3.0 can't be released from here:\n- there is no tag v1.3.0") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat("dist"); err == nil {
		t.Error("something was built")
	}
}

// TestArchive packs the source twice, once from a clone: the same bytes.
func TestArchive(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	r := scratch(t)
	r.write(t, "not-committed", "x")
	dir := t.TempDir()
	r.run(t, "git clone -q . "+dir+"/clone && git -C "+dir+"/clone config tar.umask 0077")
	var texts [2]string
	for i, from := range []repo{r, {filepath.Join(dir, "clone")}} {
		path := filepath.Join(dir, "source.tar.gz")
		if err := from.archive(t.Context(), "1.2.0", path); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	if texts[0] != texts[1] {
		t.Error("the archive of a clone is another one")
	}
	r.run(t, "tar -tzf "+dir+"/source.tar.gz >"+dir+"/list && grep -qx stentor-1.2.0/plugins/go.mod "+dir+"/list && ! grep not-committed "+dir+"/list")
}

func TestSame(t *testing.T) {
	a, b := repo{t.TempDir()}, repo{t.TempDir()}
	a.write(t, checksums, "aa  one\nbb  two\n")
	b.write(t, checksums, "aa  one\nbb  two\n")
	if err := same(a.dir, b.dir); err != nil {
		t.Error(err)
	}
	b.write(t, checksums, "aa  one\ncc  two\n")
	if err := same(a.dir, b.dir); err == nil || !strings.HasSuffix(err.Error(), "not the same: two") {
		t.Errorf("two that differ: %v", err)
	}
	b.write(t, checksums, "aa  one\nbb  two\ncc  three\n")
	if err := same(a.dir, b.dir); err == nil {
		t.Error("one more file is not seen")
	}
}

func TestPublish(t *testing.T) {
	made, out := repo{t.TempDir()}, t.TempDir()
	made.write(t, "two.deb", strings.Repeat("x", 1001))
	made.write(t, "one.rpm", "")
	made.write(t, checksums, "of another time")
	if err := publish(made.dir, out); err != nil {
		t.Fatal(err)
	}
	repo{out}.run(t, `test "$(wc -l <SHA256SUMS)" = 2 && sha256sum -c SHA256SUMS`)
	sizes, err := table(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := "      1 kB  SHA256SUMS\n      0 kB  one.rpm\n      2 kB  two.deb\n"; sizes != want {
		t.Errorf("want\n%s, got\n%s", want, sizes)
	}
}
