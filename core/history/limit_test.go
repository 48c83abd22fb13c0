package history

import (
	"testing"

	"golang.org/x/sys/unix"
)

// limitFileSize has writes beyond so many bytes of a file fail, until the
// function that it gives is called. The Go runtime ignores the SIGXFSZ that
// comes with it.
func limitFileSize(t *testing.T, bytes uint64) (allow func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	allow = func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(allow)
	return allow
}
