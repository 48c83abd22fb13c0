package health

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const (
	// maxOutput is how many characters of a result are kept.
	maxOutput = 200
	// maxRead is how many bytes of an answer are looked at.
	maxRead = 64 << 10
)

// line makes one line of text from outside, that no terminal obeys.
func line(s string) string {
	s = s[:min(len(s), 4*maxRead)]
	var b strings.Builder
	n, blank := 0, false
	for _, r := range s {
		if r == utf8.RuneError || unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) {
			blank = n > 0
			continue
		}
		if blank {
			b.WriteByte(' ')
			n, blank = n+1, false
		}
		if n++; n > maxOutput {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// failed is the result of an exchange that ended in err. met tells how far it
// had come by then, as "connected"; it may be empty.
func failed(ctx context.Context, err error, met string) result {
	var timeout net.Error
	switch {
	case unable(err):
		return notRun(err.Error())
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		if met != "" {
			return bad(met + ", then no answer in time")
		}
		return bad("no answer in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return bad(strings.TrimPrefix(met+", then the connection was closed without an answer", ", then "))
	}
	var number unix.Errno // what is around it names ports that differ from run to run
	if text := err.Error(); !errors.As(err, &number) {
		return bad(text)
	} else if met != "" {
		return bad(met + ", then " + number.Error())
	}
	return bad(number.Error())
}

// unable reports whether err is this host's, so that nothing was asked: no
// descriptor or port is free, a name is not known, a permission is missing.
func unable(err error) bool {
	for _, e := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.EADDRNOTAVAIL, unix.EACCES, unix.EPERM, unix.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	var name *net.DNSError
	return errors.As(err, &name)
}
