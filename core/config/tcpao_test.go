package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/plugins"
)

const aoConfig = "[bgp]\nbackend = \"gobgp\"\nasn = 65001\n%s\n[bgp.peer.tor1]\naddress = \"192.0.2.1\"\nasn = 64512\n%s\n"

func TestTCPAO(t *testing.T) {
	key := filepath.Join(t.TempDir(), "tor1.ao")
	if err := os.WriteFile(key, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(all, peer string) (*Config, error) {
		o := testOptions()
		o.Offline = false
		cfg, _, err := load(&report{}, []*source{newSource("test.toml", fmt.Appendf(nil, aoConfig, all, peer))}, o)
		return cfg, err
	}
	file := fmt.Sprintf("key_file = %q\n", key)
	for _, tt := range []struct {
		name, all, peer string
		want            plugins.TCPAO
	}{
		{"off", "", "", plugins.TCPAO{}},
		{"all", "[bgp.tcp_ao]\n" + file, "", plugins.TCPAO{Key: "secret", SendID: 1, RecvID: 1, Algorithm: plugins.AOHMACSHA1}},
		{"one number", "[bgp.tcp_ao]\nsend_id = 0\n" + file, "", plugins.TCPAO{Key: "secret", Algorithm: plugins.AOHMACSHA1}},
		{"both", "[bgp.tcp_ao]\nalgorithm = \"aes-128-cmac-96\"\nsend_id = 7\n" + file, "[bgp.peer.tor1.tcp_ao]\nsend_id = 255\nreceive_id = 9",
			plugins.TCPAO{Key: "secret", SendID: 255, RecvID: 9, Algorithm: plugins.AOAESCMAC}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := read(tt.all, tt.peer)
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.BGP.Peers[0].AO; got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, all, say string }{
		{"no key", "[bgp.tcp_ao]", "[bgp.tcp_ao] has no key_file"},
		{"two signatures", fmt.Sprintf("password_file = %q\n[bgp.tcp_ao]\n%s", key, file), "tcp_ao excludes password_file"},
		{"algorithm", "[bgp.tcp_ao]\nalgorithm = \"md5\"\n" + file, "algorithm"},
		{"number", "[bgp.tcp_ao]\nsend_id = 256\n" + file, "send_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(tt.all, "")
			if err == nil || !strings.Contains(err.Error(), tt.say) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want a word of %q and none of the key", err, tt.say)
			}
		})
	}
}
