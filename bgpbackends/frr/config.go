package frr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

const (
	maxLines = 1 << 20 // of a configuration
	maxLine  = 16 << 10
)

// config is a running configuration, as far as its lines go.
type config struct{ sections []section }

// section is a line without indentation and what stands below it.
type section struct {
	head string
	body []statement
}

// statement is a line of a section, with the address family ("ipv4 unicast")
// that it stands in, if any.
type statement struct{ family, text string }

// parseConfig reads what a daemon prints for `show running-config`: its
// sections at column 0, and what belongs to them one or more columns in.
func parseConfig(text string) (*config, error) {
	if len(text) > maxAnswer {
		return nil, errors.New("FRR's running configuration is too long")
	}
	c, family := &config{}, ""
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		line = strings.TrimRight(line, " \r")
		word := strings.TrimSpace(line)
		indented := line != word
		switch {
		case n > maxLines || len(line) > maxLine:
			return nil, fmt.Errorf("line %d of FRR's running configuration is too long or one too many", n)
		case strings.ContainsAny(line, "\x00\x1b"):
			return nil, fmt.Errorf("line %d of FRR's running configuration has control characters", n)
		case word == "" || word[0] == '!' || word == preamble:
		case !indented && (word == "exit" || word == "end"):
			family = ""
		case !indented:
			family = ""
			c.sections = append(c.sections, section{head: word})
		case len(c.sections) == 0:
			return nil, fmt.Errorf("line %d of FRR's running configuration belongs to nothing", n)
		case word == "exit-address-family":
			family = ""
		case strings.HasPrefix(word, "address-family "):
			family = strings.TrimPrefix(word, "address-family ")
		default:
			s := &c.sections[len(c.sections)-1]
			s.body = append(s.body, statement{family, word})
		}
	}
	// The first line names FRR's version. To take a configuration for empty of
	// which nothing came would be worse than an error.
	if len(c.sections) == 0 || !strings.HasPrefix(c.sections[0].head, versionLine) {
		return nil, fmt.Errorf("FRR's running configuration was cut off: %w", plugins.ErrUnavailable)
	}
	return c, nil
}

// preamble is what some print before the first line, on a terminal.
const preamble = "Current configuration:"

const versionLine = "frr version "

// version is FRR's own.
func (c *config) version() string { return strings.TrimPrefix(c.sections[0].head, versionLine) }
