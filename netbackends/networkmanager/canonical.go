package networkmanager

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// settings is a profile as D-Bus has it (nm-settings-dbus(5)).
type settings map[string]map[string]any

// keyfile writes settings in the form of a keyfile. Properties that our own
// profiles never have come out readable, and need not be what NetworkManager
// would write.
func (s settings) keyfile() keyfile {
	var k keyfile
	for name, properties := range s {
		sec := section{name: name}
		for key, value := range properties {
			switch key {
			case "addresses", "routes": // the older form of address-data and route-data
			case "address-data", "route-data":
				sec.keys = append(sec.keys, numbered(strings.TrimSuffix(key, "-data"), value)...)
			case "data": // of [user]
				if data, ok := value.(map[string]string); ok && name == "user" {
					for k, v := range data {
						sec.keys = append(sec.keys, pair{k, v})
					}
					continue
				}
				fallthrough
			default:
				sec.keys = append(sec.keys, pair{key, plain(value)})
			}
		}
		k = append(k, sec)
	}
	return k.canonical()
}

// numbered writes address1=ADDRESS/PREFIX and so on.
func numbered(key string, list any) []pair {
	entries, _ := list.([]map[string]any)
	pairs := make([]pair, len(entries))
	for i, e := range entries {
		dest := cmp.Or(plain(e["address"]), plain(e["dest"]))
		pairs[i] = pair{key + strconv.Itoa(i+1), dest + "/" + plain(e["prefix"])}
		if hop := plain(e["next-hop"]); hop != "" {
			pairs[i].value += "," + hop
		}
	}
	return pairs
}

func plain(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case []string:
		return strings.Join(v, ";")
	}
	s := fmt.Sprint(value)
	if s == "[]" || s == "map[]" {
		return ""
	}
	return s
}

// canonical puts sections and keys in one order and drops what NetworkManager
// adds by itself. So a profile has one form, whether it comes from D-Bus or
// from a file, and whatever version gave it.
func (k keyfile) canonical() keyfile {
	sections := map[string]map[string]string{}
	for _, s := range k {
		if sections[s.name] == nil {
			sections[s.name] = map[string]string{}
		}
		for _, p := range s.keys {
			sections[s.name][p.key] = p.value
		}
	}
	kind := sections["connection"]["type"]
	var out keyfile
	for name, keys := range sections {
		maps.DeleteFunc(keys, func(key, value string) bool { return value == "" || ownDoing[name+"."+key] })
		if len(keys) == 0 && name != kind {
			continue
		}
		s := section{name: name}
		for _, key := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
			s.keys = append(s.keys, pair{key, keys[key]})
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b section) int {
		return cmp.Or(rank(a.name, kind)-rank(b.name, kind), strings.Compare(a.name, b.name))
	})
	return out
}

// ownDoing are properties that NetworkManager sets although nobody asked.
var ownDoing = map[string]bool{
	"connection.timestamp": true, // of the last activation
	"ipv4.addr-gen-mode":   true,
	"ipv6.addr-gen-mode":   true, // differs between versions; moot on a link whose fe80:: nobody uses
}

func rank(name, kind string) int {
	i := slices.Index([]string{"connection", kind, "user", "ipv4", "ipv6"}, name)
	if i < 0 {
		return 5
	}
	return i
}

// compareKeys puts address2 before address10.
func compareKeys(a, b string) int {
	stemA, numA := splitNumber(a)
	stemB, numB := splitNumber(b)
	return cmp.Or(strings.Compare(stemA, stemB), numA-numB, strings.Compare(a, b))
}

func splitNumber(key string) (stem string, number int) {
	stem = strings.TrimRight(key, "0123456789")
	number, _ = strconv.Atoi(key[len(stem):])
	return stem, number
}
