package firewall

import (
	"encoding/json"
	"strings"
)

// nftObject is one of those that `nft -j list ruleset` prints
// (libnftables-json(5)).
type nftObject struct {
	Chain *struct {
		Family, Table, Name, Hook, Type, Policy string
	}
	Rule *struct {
		Family, Table, Chain string
		Expr                 []map[string]json.RawMessage
	}
	Set *struct {
		Family, Table, Name string
		Elem                json.RawMessage
	}
}

// nft adds a ruleset that is printed as JSON.
func (r *Ruleset) nft(text []byte) {
	var doc struct{ Nftables []nftObject }
	if err := json.Unmarshal(text, &doc); err != nil {
		return
	}
	sets := map[string]json.RawMessage{}
	for _, o := range doc.Nftables {
		switch {
		case o.Set != nil:
			sets[o.Set.Family+" "+o.Set.Table+" "+o.Set.Name] = o.Set.Elem
		case o.Chain != nil:
			c := &chain{name: o.Chain.Family + " " + o.Chain.Table + " " + o.Chain.Name, drops: o.Chain.Policy == "drop"}
			c.four, c.six = o.Chain.Family != "ip6", o.Chain.Family != "ip"
			if o.Chain.Type == "filter" && (o.Chain.Family == "ip" || o.Chain.Family == "ip6" || o.Chain.Family == "inet") {
				c.hook = Hook(o.Chain.Hook)
			}
			r.add(c)
		}
	}
	for _, o := range doc.Nftables {
		if o.Rule == nil {
			continue
		}
		scope := o.Rule.Family + " " + o.Rule.Table + " "
		if c := r.chains[scope+o.Rule.Chain]; c != nil {
			n := nftReader{scope: scope, sets: sets}
			c.rules = append(c.rules, n.rules(o.Rule.Expr)...)
		}
	}
}

// nftReader reads the rules of one table.
type nftReader struct {
	scope string // "inet filter "
	sets  map[string]json.RawMessage
}

// rules makes one rule of an nft rule; with a verdict map one for each entry.
func (n nftReader) rules(exprs []map[string]json.RawMessage) []rule {
	var out rule
	for _, e := range exprs {
		for kind, body := range e { // there is one
			if v, target, ok := n.verdict(kind, body); ok {
				out.verdict, out.target = v, target
				return []rule{out}
			}
			switch kind {
			case "match":
				out.matches = append(out.matches, n.match(body))
			case "vmap":
				return n.vmap(out, body)
			case "counter", "log", "mangle":
			default: // limit, xt, quota, ...
				out.matches = append(out.matches, unknown)
			}
		}
	}
	return []rule{out}
}

func (n nftReader) verdict(kind string, body json.RawMessage) (v verdict, target string, ok bool) {
	switch kind {
	case "accept":
		return accept, "", true
	case "drop", "reject":
		return drop, "", true
	case "return":
		return giveBack, "", true
	case "queue":
		return jump, "", true // to user space: anything may happen
	case "jump", "goto":
		var to struct{ Target string }
		_ = json.Unmarshal(body, &to) // without a target it leads nowhere, and anything may happen
		if v = jump; kind == "goto" {
			v = goTo
		}
		return v, n.scope + to.Target, true
	}
	return next, "", false
}

// match reads {"op": ..., "left": ..., "right": ...}.
func (n nftReader) match(body json.RawMessage) match {
	var m struct {
		Op          string
		Left, Right json.RawMessage
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return unknown
	}
	found := n.compare(m.Left, m.Right)
	switch m.Op {
	case "==", "in":
	case "!=":
		found = negate(found)
	default:
		found = unknown
	}
	return ofKind(m.Left, found)
}

// ofKind: a rule about a header does not apply to packets without that header,
// whatever it compares with it.
func ofKind(left json.RawMessage, m match) match {
	var l struct{ Payload struct{ Protocol string } }
	_ = json.Unmarshal(left, &l) // what is no header needs none
	return func(p Packet) truth {
		switch proto := l.Payload.Protocol; {
		case proto == "ip" && !p.Target.Is4(), proto == "ip6" && !p.Target.Is6():
			return no
		case (proto == "tcp" || proto == "udp") && proto != p.Protocol:
			return no
		}
		return m(p)
	}
}

// compare is whether what left names is right, or one of right.
func (n nftReader) compare(left, right json.RawMessage) match {
	one := n.field(left)
	if one == nil {
		return unknown
	}
	var all []match
	for _, v := range n.values(right) {
		all = append(all, one(v))
	}
	if len(all) == 0 {
		return unknown
	}
	return anyOf(all)
}

// values are those of a set, a named one or a list; or the value alone.
func (n nftReader) values(raw json.RawMessage) []json.RawMessage {
	var name string
	if json.Unmarshal(raw, &name) == nil && strings.HasPrefix(name, "@") {
		raw = n.sets[n.scope+name[1:]]
	}
	var set struct{ Set []json.RawMessage }
	if json.Unmarshal(raw, &set) == nil && set.Set != nil {
		return set.Set
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	return []json.RawMessage{raw}
}

// vmap is a rule for each entry of a verdict map, after the matches so far.
func (n nftReader) vmap(so rule, body json.RawMessage) []rule {
	var m struct {
		Key  json.RawMessage
		Data json.RawMessage
	}
	_ = json.Unmarshal(body, &m) // an empty map has no entries
	var all []rule
	for _, entry := range n.values(m.Data) {
		var pair []json.RawMessage
		var to map[string]json.RawMessage
		if json.Unmarshal(entry, &pair) != nil || len(pair) != 2 || json.Unmarshal(pair[1], &to) != nil {
			continue
		}
		one := rule{matches: append(so.matches[:len(so.matches):len(so.matches)], ofKind(m.Key, n.compare(m.Key, pair[0])))}
		for kind, target := range to {
			one.verdict, one.target, _ = n.verdict(kind, target)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		// A map that is not understood may do anything.
		so.verdict, so.target = jump, ""
		all = append(all, so)
	}
	return all
}
