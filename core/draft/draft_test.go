package draft

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
)

func TestBytes(t *testing.T) {
	d := Doc{Head: []string{"Made of " + strings.Repeat("many words ", 8), "", "  ExecStart=left as it is"}, Tail: []string{"the end"}}
	d.Add("bgp", "who speaks").Set("provider", "linode").Set("dcid", 10, "Frankfurt").Example("region", "eu-central")
	off := d.Add("vip.web")
	off.Off = true
	off.Set("peers", []string{"a", "b"})
	want := `# Made of many words many words many words many words many words many words
# many words many words
#
#   ExecStart=left as it is

# who speaks
[bgp]
provider = "linode"
dcid = 10  # Frankfurt
#region = "eu-central"

#[vip.web]
#peers = ["a", "b"]

# the end
`
	if diff := cmp.Diff(want, string(d.Bytes())); diff != "" {
		t.Error(diff)
	}
}

// FuzzText: whatever text comes in, it stays a comment or a string.
func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add("two\nlines\r\n[vip.evil]")
	f.Add("\x00\x7f\u0085\u2028\xff\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		n := Namer{}
		d := Doc{Head: []string{text}, Tail: []string{text}}
		d.Add("bgp", text).Set("asn", 65001, text)
		d.Add("bgp.peer."+n.Name(text, "peer")).Set("address", "192.0.2.1").Set("asn", 65000).Example("x", text)
		d.Add("vip."+n.Name(text, "vip")).Set("address", "203.0.113.10/32").Set("role", "primary")
		d.Add("backend.gobgp").Set("text", text).Set("list", []string{text, text})
		cfg, _, err := config.LoadTexts([]config.File{{Path: "draft.toml", Text: string(d.Bytes())}}, config.Options{Offline: true})
		if err != nil {
			t.Fatalf("%v\n%s", err, d.Bytes())
		}
		if got := cfg.Backends["gobgp"]["text"]; got != strings.ToValidUTF8(text, "\ufffd") && got != text && !strings.ContainsRune(fmt.Sprint(got), '\ufffd') {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func TestNames(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	n := Namer{}
	var got []string
	for _, p := range []string{"203.0.113.10/32", "2001:db8:7::1/64", "2001:db8:1111:2222:3333:4444:5555:6666/128", "2001:db8:7::1/64"} {
		got = append(got, n.VIP(netip.MustParsePrefix(p)))
	}
	for _, s := range []string{"Uplink_1", "-_ä", strings.Repeat("x", 40), strings.Repeat("x", 40), "_a"} {
		got = append(got, n.Name(s, "peer"))
	}
	want := []string{"203-0-113-10", "2001-db8-7", "20010db8111122223333444455556666", "2001-db8-7-2",
		"uplink_1", "peer", strings.Repeat("x", 32), strings.Repeat("x", 30) + "-2", "a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, s := range got {
		if !form.MatchString(s) {
			t.Errorf("%q is no name", s)
		}
	}
}
