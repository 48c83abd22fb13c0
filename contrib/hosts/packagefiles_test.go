package hosts_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// unpackers write what is in a package as a tar.
var unpackers = map[string]string{
	"deb":       `exec dpkg-deb --fsys-tarfile "$1"`,
	"rpm":       `exec rpm2archive -n - <"$1"`,
	"archlinux": `exec zstd -qdc "$1"`,
	"apk":       `exec gzip -dc "$1"`, // its three parts are one tar, in three gzip streams
}

// packageFiles are where each distribution looks for what a package brings;
// executables end with a star, folders with a slash.
var packageFiles = map[string][]string{
	"": { // every format
		"usr/bin/stentor*", "usr/libexec/stentor/stentor-native*", "etc/default/stentor", "usr/share/doc/stentor/reference.toml", "usr/share/doc/stentor/sbom.cdx.json",
		"usr/share/doc/stentor/third-party-licenses.txt", "usr/share/man/man1/stentor.1.gz", "usr/share/man/man5/stentor.toml.5.gz", "usr/share/man/man7/stentor-plugin.7.gz",
		"usr/share/bash-completion/completions/stentor", "usr/share/fish/vendor_completions.d/stentor.fish",
	},
	"deb": {
		"lib/systemd/system/stentor.service", "lib/systemd/system/stentor-apply.service", "usr/lib/sysusers.d/stentor.conf", "usr/lib/tmpfiles.d/stentor.conf",
		"usr/share/zsh/vendor-completions/_stentor", "usr/share/doc/stentor/changelog.Debian.gz", "usr/share/doc/stentor/copyright",
	},
	"rpm": {
		"usr/lib/systemd/system/stentor.service", "usr/lib/systemd/system/stentor-apply.service", "usr/lib/sysusers.d/stentor.conf", "usr/lib/tmpfiles.d/stentor.conf",
		"usr/share/zsh/site-functions/_stentor", "usr/share/licenses/stentor/LICENSE",
	},
	"archlinux": {
		"usr/lib/systemd/system/stentor.service", "usr/lib/systemd/system/stentor-apply.service", "usr/lib/sysusers.d/stentor.conf", "usr/lib/tmpfiles.d/stentor.conf",
		"usr/share/zsh/site-functions/_stentor", "usr/share/licenses/stentor/LICENSE",
	},
	"apk": {
		"etc/init.d/stentor*", "etc/stentor/", "etc/stentor/conf.d/", "var/lib/stentor/",
		"usr/share/zsh/site-functions/_stentor", "usr/share/licenses/stentor/LICENSE",
	},
}

// hasFiles looks at what is in the packages of a format.
func hasFiles(t *testing.T, format, built string) {
	packages := packagesIn(t, built, format)
	var got []string
	for _, h := range filesOf(t, format, packages[0]) {
		name := strings.Trim(strings.TrimPrefix(h.Name, "./"), "/")
		if strings.HasPrefix(name, ".") { // the package manager's own
			continue
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", name, h.Uid, h.Gid)
		}
		want := int64(0o644)
		switch {
		case name == "var/lib/stentor":
			want, name = 0o700, name+"/"
		case h.Typeflag == tar.TypeDir:
			want, name = 0o755, name+"/"
		case h.Typeflag != tar.TypeReg:
			t.Errorf("%s is of type %c", name, h.Typeflag)
		case h.Mode&0o111 != 0:
			want, name = 0o755, name+"*"
		}
		if h.Mode&0o7777 != want {
			t.Errorf("%s has the mode %o, want %o", name, h.Mode, want)
		}
		got = append(got, name)
	}
	for _, want := range append(packageFiles[""], packageFiles[format]...) {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, name := range got {
		if strings.Contains(name, "usr/local") || strings.HasSuffix(name, "*") && !slices.Contains(append(packageFiles[""], packageFiles[format]...), name) {
			t.Errorf("%s is not expected", name)
		}
	}
	links := 0
	for _, h := range filesOf(t, format, packages[1]) {
		if h.Typeflag == tar.TypeSymlink && strings.HasSuffix(h.Name, "usr/bin/lelastic") {
			links++
			if h.Linkname != "stentor" {
				t.Errorf("lelastic is a link to %s", h.Linkname)
			}
		}
	}
	if links != 1 {
		t.Errorf("%d links in the package of lelastic", links)
	}
}

// filesOf are the entries of a package.
func filesOf(t *testing.T, format, path string) []*tar.Header {
	t.Helper()
	out, err := exec.Command("sh", "-c", unpackers[format], "sh", path).Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var all []*tar.Header
	r := tar.NewReader(bytes.NewReader(out))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, h)
	}
}
