package config

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/stentor-net/stentor/plugins"
)

// maxPassword is the longest TCP-MD5 key that Linux takes (TCP_MD5SIG_MAXKEYLEN
// in linux/tcp.h).
const maxPassword = 80

// password reads the session's TCP-MD5 key.
func (b *builder) password(p *plugins.Peer, all, own *table) {
	path, at := pick[string]("password_file", own, all)
	if at == nil {
		if b.provider.NeedsPassword && !all.has("password_file") && !own.has("password_file") && !b.partial {
			b.fail(b.at(all), b.provider.PasswordHint, "provider %q needs password_file", b.provider.Name)
		}
		return
	}
	b.need(b.bgp, plugins.CapMD5, at.name(), "use a password (TCP-MD5)")
	if b.opts.Offline {
		return
	}
	var m *mistake
	if p.Password, m = readSecret(path, "password", maxPassword); m != nil {
		b.fail(at.whole(), m.hint, "%s: %s", path, m.msg)
	}
}

// maxAOKey is the longest TCP-AO key that Linux takes (TCP_AO_MAXKEYLEN in
// linux/tcp.h).
const maxAOKey = 80

// tcpAO reads the session's TCP-AO key. The IDs are numbers that both ends agree
// on; most take the same one in both directions.
func (b *builder) tcpAO(p *plugins.Peer, all, own *table) {
	mine, common := own.sub("tcp_ao"), all.sub("tcp_ao")
	t := mine
	if t == nil {
		t = common
	}
	if t == nil {
		return
	}
	path, at := pick[string]("key_file", mine, common)
	if at == nil {
		if !mine.has("key_file") && !common.has("key_file") {
			b.fail(b.at(t), "write key_file beside it", "%s has no key_file", t.label)
		}
		return
	}
	b.need(b.bgp, plugins.CapTCPAO, at.name(), "use TCP-AO")
	if _, md5 := pick[string]("password_file", own, all); md5 != nil {
		b.fail(at.name(), "leave one of them out: a session is signed by TCP-MD5 (password_file) or by TCP-AO", "tcp_ao excludes password_file")
	}
	send, sendAt := pick[int]("send_id", mine, common)
	receive, receiveAt := pick[int]("receive_id", mine, common)
	if sendAt == nil {
		send = 1
	}
	if receiveAt == nil {
		receive = send
	}
	p.AO.SendID, p.AO.RecvID, p.AO.Algorithm = uint8(send), uint8(receive), plugins.AOHMACSHA1
	if a, at := pick[plugins.AOAlgorithm]("algorithm", mine, common); at != nil {
		p.AO.Algorithm = a
	}
	if b.opts.Offline {
		return
	}
	var m *mistake
	if p.AO.Key, m = readSecret(path, "key", maxAOKey); m != nil {
		b.fail(at.whole(), m.hint, "%s: %s", path, m.msg)
	}
}

// readSecret reads a file of one line that nobody but its owner can read, at
// most limit bytes of it. what is the secret's name in messages; none repeats
// what is in the file.
func readSecret(path, what string, limit int) (string, *mistake) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case os.IsNotExist(err):
		return "", &mistake{"there is no such file", "write the " + what + " into it, and nothing else; then: chmod 600 " + path}
	case err != nil:
		return "", &mistake{"can't be read: " + errnoText(err), "the daemon's user must be its owner"}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", &mistake{"can't be read: " + errnoText(err), ""}
	}
	if !info.Mode().IsRegular() {
		return "", &mistake{"is not a regular file", ""}
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", &mistake{fmt.Sprintf("others can read it (mode %04o)", mode), "chmod 600 " + path}
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 && owner != uint32(os.Geteuid()) {
		return "", &mistake{fmt.Sprintf("belongs to uid %d", owner), "it must belong to root or to the daemon's user: chown root " + path}
	}
	// One byte more than a secret and its newline tells a file that is too long.
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+3))
	if err != nil {
		return "", &mistake{"can't be read: " + errnoText(err), ""}
	}
	key := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case key == "":
		return "", &mistake{"is empty", "write the " + what + " into it, and nothing else"}
	case len(key) > limit:
		return "", &mistake{fmt.Sprintf("is longer than the %d bytes that a %s can have", limit, what), ""}
	}
	if i := strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return "", &mistake{fmt.Sprintf("byte %d is a control character", i+1), "the file holds the " + what + " alone, on one line"}
	}
	return key, nil
}

// errnoText is the system's own word for err, without the path.
func errnoText(err error) string {
	if e, ok := err.(*os.PathError); ok {
		return e.Err.Error()
	}
	return err.Error()
}
