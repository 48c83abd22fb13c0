package networkmanager

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// keyfileMax is the most that is read of a keyfile, in bytes: 10,000
// addresses take about 400 kB.
const keyfileMax = 4 << 20

// keyfile is a profile in the form of nm-settings-keyfile(5). It is what
// people compare, so diffs and checksums are made from it.
type keyfile []section

type section struct {
	name string
	keys []pair
}

type pair struct{ key, value string }

// get finds a key; the last of several counts, as in GKeyFile.
func (k keyfile) get(name, key string) (string, bool) {
	value, found := "", false
	for _, s := range k {
		if s.name != name {
			continue
		}
		for _, p := range s.keys {
			if p.key == key {
				value, found = p.value, true
			}
		}
	}
	return value, found
}

// bytes is the file. An empty section is written too: [dummy] has no key, and
// must be there.
func (k keyfile) bytes() []byte {
	var b bytes.Buffer
	for i, s := range k {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[%s]\n", s.name)
		for _, p := range s.keys {
			fmt.Fprintf(&b, "%s=%s\n", p.key, p.value)
		}
	}
	return b.Bytes()
}

// parseKeyfile reads what g_key_file_load_from_data() reads of it.
func parseKeyfile(b []byte) (keyfile, error) {
	if len(b) > keyfileMax {
		return nil, fmt.Errorf("it is larger than %d MiB", keyfileMax>>20)
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("it is no text: it has a NUL byte")
	}
	var k keyfile
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name, rest, ok := strings.Cut(line[1:], "]")
			if !ok || name == "" || rest != "" {
				return nil, fmt.Errorf("line %d: %q is no [section]", i+1, line)
			}
			k = append(k, section{name: name})
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		switch {
		case !ok || key == "":
			return nil, fmt.Errorf("line %d: %q is no KEY=VALUE", i+1, line)
		case len(k) == 0:
			return nil, fmt.Errorf("line %d: %q stands before the first [section]", i+1, line)
		}
		s := &k[len(k)-1]
		s.keys = append(s.keys, pair{key, strings.TrimSpace(value)})
	}
	return k, nil
}
