package hosts_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// apkScript runs what Alpine's package manager would. Debian has neither that nor
// busybox's adduser, so their place is taken by what notes how it was called.
const apkScript = `
for p in "$1" "$2"; do tar -xzf "$p" -C root; done
for tool in addgroup adduser rc-service; do
	printf '#!/bin/sh\necho %s "$@"\n' $tool >root/usr/local/sbin/$tool
	chmod 0755 root/usr/local/sbin/$tool
done
chroot root /.pre-install 0.1.0-r1
chroot root lelastic -version
chroot root /.post-upgrade 0.2.0-r1 0.1.0-r1
sh -n root/etc/init.d/stentor
`

const apkCalls = `addgroup -S stentor
adduser -S -D -H -h /var/lib/stentor -s /sbin/nologin -G stentor -g stentor stentor
lelastic, by stentor 0.1.0
rc-service -q stentor status
stentor: the daemon before goes on; when it suits: rc-service stentor restart
`

// apkLife looks at the packages as apk-tools does before it installs them, and
// runs their scripts.
func apkLife(t *testing.T, built string) {
	packages := packagesIn(t, built, "apk")
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	for i, want := range []string{
		"pkgname = stentor\npkgver = 0.1.0-r1\narch = " + arch[debArch(t)] + "\n",
		"pkgname = stentor-lelastic\npkgver = 0.1.0-r1\narch = noarch\n",
	} {
		info, data := apkParts(t, packages[i])
		if !strings.HasPrefix(info, want) {
			t.Errorf("want %s, got %s", want, info)
		}
		if !strings.Contains(info, fmt.Sprintf("\ndatahash = %x\n", sha256.Sum256(data))) {
			t.Errorf("%s has not the checksum of its files:\n%s", packages[i], info)
		}
		if i == 1 && !strings.Contains(info, "\ndepend = stentor=0.1.0-r1\n") {
			t.Errorf("it does not depend on its program:\n%s", info)
		}
	}
	out, said := inPackageRoot(t, apkScript, built, "apk")
	if d := cmp.Diff(apkCalls, out); d != "" {
		t.Errorf("(-want +got):\n%s\n%s", d, said)
	}
}

// apkParts are .PKGINFO and the part with the files, as they lie there.
func apkParts(t *testing.T, path string) (info string, data []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.NewReader(text)
	r := bufio.NewReaderSize(all, 16) // gzip reads on byte by byte from a ByteReader
	z, err := gzip.NewReader(r)
	for part := 0; err == nil; part++ {
		z.Multistream(false)
		var control []byte
		if control, err = io.ReadAll(z); err != nil {
			break
		}
		if bytes.HasPrefix(control, []byte(".PKGINFO\x00")) {
			_, body, _ := bytes.Cut(control, []byte("pkgname = "))
			body, _, _ = bytes.Cut(body, []byte{0})
			return "pkgname = " + string(body), text[len(text)-all.Len()-r.Buffered():]
		}
		err = z.Reset(r)
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it has no .PKGINFO")
	}
	t.Fatalf("%s: %v", path, err)
	return "", nil
}
