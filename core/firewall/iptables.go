package firewall

import (
	"strconv"
	"strings"
)

// iptables adds the filter table of what iptables-save(8) or ip6tables-save
// printed.
func (r *Ruleset) iptables(text string, six bool) {
	family := "iptables"
	if six {
		family = "ip6tables"
	}
	table := ""
	name := func(c string) string { return family + " " + table + " " + c }
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case table != "filter" || line == "" || line[0] == '#':
		case line[0] == ':':
			f := strings.Fields(line[1:])
			if len(f) < 2 {
				continue
			}
			c := &chain{name: name(f[0]), four: !six, six: six, drops: f[1] == "DROP"}
			switch f[0] {
			case "INPUT":
				c.hook = Input
			case "OUTPUT":
				c.hook = Output
			}
			r.add(c)
		case strings.HasPrefix(line, "-A "):
			words := splitWords(line)
			if c := r.chains[name(words[1])]; c != nil {
				c.rules = append(c.rules, r.iptablesRule(words[2:], name))
			}
		}
	}
}

func (r *Ruleset) add(c *chain) {
	if r.chains == nil {
		r.chains = map[string]*chain{}
	}
	r.chains[c.name] = c
}

// splitWords parts a line at blanks; comments stand in double quotes.
func splitWords(line string) []string {
	var words []string
	var b strings.Builder
	quoted, any := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted && i+1 < len(line):
			i++
			b.WriteByte(line[i])
		case c == '"':
			quoted, any = !quoted, true
		case c == ' ' && !quoted:
			if any {
				words = append(words, b.String())
			}
			b.Reset()
			any = false
		default:
			b.WriteByte(c)
			any = true
		}
	}
	if any {
		words = append(words, b.String())
	}
	return words
}

// iptablesRule reads the words behind -A CHAIN. An option that is not known
// may hold or not.
func (r *Ruleset) iptablesRule(words []string, name func(string) string) rule {
	var out rule
	negated := false
	add := func(m match) {
		if negated {
			m = negate(m)
		}
		out.matches, negated = append(out.matches, m), false
	}
	for i := 0; i < len(words); i++ {
		option := words[i]
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		i++ // most have a value
		switch option {
		case "!":
			negated = true
			i--
		case "-m":
		case "-p":
			add(protocolIs(value))
		case "-i", "-o":
			add(onLink(value, "+"))
		case "-s", "-d":
			of := source
			if option == "-d" {
				of = target
			}
			if p, ok := parsePrefix(value); ok {
				add(within(of, p))
			} else {
				add(unknown)
			}
		case "--sport", "--sports":
			add(ports(sourcePort, value))
		case "--dport", "--dports":
			add(ports(targetPort, value))
		case "--ctstate", "--state":
			var all []match
			for _, state := range strings.Split(value, ",") {
				all = append(all, inState(state))
			}
			add(anyOf(all))
		case "--comment":
		case "-j", "-g":
			out.target = name(value)
			out.verdict = iptablesVerdict(option, value, r.chains[out.target] != nil)
			return out // what follows are the target's options
		default:
			// Of an option that is not known it isn't known either whether it has a value.
			add(unknown)
			if strings.HasPrefix(value, "-") || value == "!" {
				i--
			}
		}
	}
	return out
}

func iptablesVerdict(option, value string, isChain bool) verdict {
	switch value {
	case "ACCEPT":
		return accept
	case "DROP", "REJECT":
		return drop
	case "RETURN":
		return giveBack
	case "LOG", "NFLOG", "MARK", "CONNMARK", "SET", "CT", "TRACE", "CHECKSUM", "TCPMSS", "AUDIT", "CLASSIFY":
		if !isChain {
			return next
		}
	}
	if option == "-g" {
		return goTo
	}
	return jump // to what is no chain anything may happen
}

// ports reads "179", "100:200" and lists of them.
func ports(of func(Packet) int, list string) match {
	var all []match
	for _, word := range strings.Split(list, ",") {
		low, high, ranged := strings.Cut(word, ":")
		from, err := strconv.Atoi(low)
		to := from
		if ranged {
			var err2 error
			if to, err2 = strconv.Atoi(high); err2 != nil {
				to = 65535
			}
		}
		if err != nil && !(ranged && low == "") {
			return unknown
		}
		all = append(all, portIs(of, from, to))
	}
	return anyOf(all)
}
