package draft

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// maxName is how long the name of a table may be in the config.
const maxName = 32

// Namer gives the tables of a document names that the config takes, each once.
type Namer struct{ taken map[string]bool }

// Name makes a name of foreign text; fallback is for text that has nothing of
// a name.
func (n *Namer) Name(text, fallback string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_' || r == '-':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "-_")
	if name == "" {
		name = fallback
	}
	return n.once(name[:min(len(name), maxName)])
}

// VIP names a shared IP after its prefix: 203-0-113-10, 2001-db8-7.
func (n *Namer) VIP(p netip.Prefix) string {
	a := p.Masked().Addr()
	name := strings.NewReplacer(".", "-", ":", "-").Replace(a.String())
	if name = strings.Trim(strings.ReplaceAll(name, "--", "-"), "-"); len(name) > maxName {
		bytes := a.As16()
		name = hex.EncodeToString(bytes[:])
	}
	return n.once(name)
}

// once numbers what is there already.
func (n *Namer) once(name string) string {
	if n.taken == nil {
		n.taken = map[string]bool{}
	}
	unique := name
	for i := 2; n.taken[unique]; i++ {
		number := fmt.Sprintf("-%d", i)
		unique = name[:min(len(name), maxName-len(number))] + number
	}
	n.taken[unique] = true
	return unique
}
