package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	tests := map[string]string{ // what is written to the hint that it gets; empty: it is good
		"127.0.0.1:9600":         "",
		"[::1]:80":               "",
		"[fe80::1%eth0]:9600":    "",
		"192.0.2.7:9600":         "",
		"localhost:9601":         `write "127.0.0.1:9601"`,
		":9600":                  `write "127.0.0.1:9600" for this host alone, or "[::]:9600" for every address`,
		"*:80":                   `write "127.0.0.1:80" for this host alone`,
		"127.0.0.1":              `write "127.0.0.1:9600"`,
		"::1":                    `write "[::1]:9600"`,
		"[::1]":                  `write "[::1]:9600"`,
		"127.0.0.1:0":            `an address and a port: "127.0.0.1:9600"`,
		"127.0.0.1:65536":        "an address and a port",
		"status.example.net:80":  "an address and a port",
		"[::ffff:127.0.0.1]:80":  `write "127.0.0.1:80"`,
		"[fe80::1]:80":           `write the link after it: "[fe80::1%eth0]:80"`,
		"[ff02::1]:80":           "an address and a port",
		"":                       `write "127.0.0.1:9600" for this host alone`,
		"http://127.0.0.1:9600/": "an address and a port",
	}
	const rest = "[bgp]\nprovider = \"linode\"\ndcid = 4\n[vip.web]\naddress = \"203.0.113.10/32\"\nrole = \"primary\"\n"
	for listen, hint := range tests {
		text := rest + "[http]\nlisten = \"" + listen + "\"\n"
		cfg, _, err := load(&report{}, []*source{newSource("f.toml", []byte(text))}, testOptions())
		var invalid *Invalid
		switch {
		case hint == "" && err != nil:
			t.Errorf("%q: %v", listen, err)
		case hint == "":
			if want := netip.MustParseAddrPort(listen); cfg.HTTP.Listen != want {
				t.Errorf("%q: listens on %s", listen, cfg.HTTP.Listen)
			}
		case !errors.As(err, &invalid) || len(invalid.Findings) != 1:
			t.Errorf("%q: %v", listen, err)
		case !strings.HasPrefix(invalid.Findings[0].Hint, hint):
			t.Errorf("%q: hint %q", listen, invalid.Findings[0].Hint)
		}
	}
}
