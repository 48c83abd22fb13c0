// Package man writes the manual page stentor.toml(5) from the commented
// reference of the config, so that the two can't differ.
package man

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// The lines of the reference that are not text. What is commented out has no
// blank after its #.
var (
	section = regexp.MustCompile(`^# ---- (.*?) -*$`)
	table   = regexp.MustCompile(`^#?(\[.*\])$`)
	key     = regexp.MustCompile(`^#?([A-Za-z0-9_-]+ = .*)$`)
)

// TOML is the page, in roff (groff_man(7)).
func TOML(reference string, date time.Time) []byte {
	p := &page{}
	fmt.Fprintf(&p.out, ".TH STENTOR.TOML 5 %q stentor Stentor\n", date.UTC().Format("2006-01-02"))
	p.out.WriteString(".SH NAME\nstentor.toml \\- configuration of stentor(1)\n.SH DESCRIPTION\n")
	for line := range strings.Lines(reference) {
		p.line(strings.TrimSuffix(line, "\n"))
	}
	p.flush()
	p.out.WriteString(".SH SEE ALSO\n.BR stentor (1),\n.BR stentor-check (1),\n.BR stentor-plugin (7)\n")
	return []byte(p.out.String())
}

// page collects a group of lines: text, the table that it is about, and keys.
type page struct {
	out   strings.Builder
	text  []string
	table string
	keys  []string
}

func (p *page) line(l string) {
	if m := section.FindStringSubmatch(l); m != nil {
		p.flush()
		fmt.Fprintf(&p.out, ".SH %s\n", strings.ToUpper(escape(m[1])))
	} else if m := table.FindStringSubmatch(l); m != nil {
		if p.table != "" || len(p.keys) > 0 {
			p.flush()
		}
		p.table = m[1]
	} else if m := key.FindStringSubmatch(l); m != nil {
		p.keys = append(p.keys, m[1])
	} else {
		if l == "" || p.table != "" || len(p.keys) > 0 {
			p.flush()
		}
		if l != "" {
			p.text = append(p.text, strings.TrimPrefix(strings.TrimPrefix(l, "#"), " "))
		}
	}
}

// flush writes a group. The keys that stand right below a table are shown as
// they are; a text that leads to keys is about these.
func (p *page) flush() {
	switch {
	case p.table != "":
		fmt.Fprintf(&p.out, ".SS %s\n", escape(p.table))
		p.prose(".PP")
		p.verbatim(p.keys)
	case len(p.keys) > 0:
		for i, k := range p.keys {
			fmt.Fprintf(&p.out, "%s\n.B %s\n", []string{".TP", ".TQ"}[min(i, 1)], escape(k))
		}
		p.prose(".IP")
	default:
		p.prose(".PP")
	}
	p.text, p.table, p.keys = nil, "", nil
}

// prose writes text; indented lines stay as they are, and an empty one starts a
// paragraph.
func (p *page) prose(paragraph string) {
	if len(p.keys) == 0 || p.table != "" {
		p.out.WriteString(paragraph + "\n")
	}
	for i := 0; i < len(p.text); i++ {
		from := i
		for i < len(p.text) && strings.HasPrefix(p.text[i], "  ") {
			i++
		}
		switch {
		case i > from:
			p.verbatim(p.text[from:i])
			i--
		case p.text[i] == "":
			p.out.WriteString(paragraph + "\n")
		case strings.HasPrefix(p.text[i], "Default: ") && i > 0:
			p.out.WriteString(".br\n" + escape(p.text[i]) + "\n")
		default:
			p.out.WriteString(escape(p.text[i]) + "\n")
		}
	}
}

func (p *page) verbatim(lines []string) {
	if len(lines) == 0 {
		return
	}
	// .RS indents already.
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " "))]
	p.out.WriteString(".RS\n.nf\n")
	for _, l := range lines {
		p.out.WriteString(escape(strings.TrimPrefix(l, indent)) + "\n")
	}
	p.out.WriteString(".fi\n.RE\n")
}

// escape keeps a line from being a request, its quotes from parting arguments,
// and its backslashes and hyphens as they are (groff_char(7)).
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
