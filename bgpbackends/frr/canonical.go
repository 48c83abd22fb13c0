package frr

import (
	"fmt"
	"slices"
	"strings"
)

// wellKnown are the names that FRR prints for communities (RFC 1997, RFC 3765,
// RFC 7611, RFC 7999, RFC 8326, RFC 9494), in words of any of its versions.
var wellKnown = map[string]string{
	"internet":                   "0:0",
	"graceful-shutdown":          "65535:0",
	"accept-own":                 "65535:1",
	"route-filter-translated-v4": "65535:2",
	"route-filter-v4":            "65535:3",
	"route-filter-translated-v6": "65535:4",
	"route-filter-v6":            "65535:5",
	"llgr-stale":                 "65535:6",
	"no-llgr":                    "65535:7",
	"accept-own-nexthop":         "65535:8",
	"blackhole":                  "65535:666",
	"no-export":                  "65535:65281",
	"no-advertise":               "65535:65282",
	"local-AS":                   "65535:65283",
	"no-peer":                    "65535:65284",
}

// canonical writes a line of a route-map in one way, whatever order and names
// FRR prints.
func canonical(line string) string {
	w := strings.Fields(line)
	if len(w) < 3 || w[0] != "set" || w[1] != "community" && w[1] != "large-community" {
		return strings.Join(w, " ")
	}
	values := w[2:]
	for i, v := range values {
		if n, known := wellKnown[v]; known && w[1] == "community" {
			values[i] = n
		}
	}
	slices.Sort(values)
	return strings.Join(append(w[:2], slices.Compact(values)...), " ")
}

// communityLine renders communities of either kind.
func communityLine[T fmt.Stringer](kind string, values []T) string {
	words := []string{"set", kind}
	for _, v := range values {
		words = append(words, v.String())
	}
	return canonical(strings.Join(words, " "))
}
