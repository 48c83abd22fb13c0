package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// LelasticUnit is where the vendor's guide puts lelastic's unit.
const LelasticUnit = "/etc/systemd/system/lelastic.service"

// UnitArgs finds the arguments that a systemd unit gives to lelastic: in the
// unit itself, its drop-ins (NAME.d/*.conf beside it) and its environment.
func UnitArgs(files fs.FS, unit string) ([]string, error) {
	names := []string{unit}
	dropins, err := fs.Glob(files, strings.TrimPrefix(unit, "/")+".d/*.conf")
	if err != nil {
		return nil, fmt.Errorf("drop-ins of %s: %w", unit, err)
	}
	slices.Sort(dropins)
	s := service{env: map[string]string{}}
	for _, d := range append(names, dropins...) {
		text, err := read(files, strings.TrimPrefix(d, "/"))
		if err != nil {
			return nil, err
		}
		s.take(string(text))
	}
	s.readEnvironment(files)
	return s.args(unit)
}

// service is what matters of the [Service] section (systemd.service(5)).
type service struct {
	starts   []string
	env      map[string]string
	envFiles []string
}

// take reads one file on top of those before it: an empty ExecStart or
// EnvironmentFile forgets what came earlier.
func (s *service) take(text string) {
	section := ""
	for _, line := range logicalLines(text) {
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || section != "[Service]" {
			continue
		}
		switch {
		case key == "ExecStart" && value == "":
			s.starts = nil
		case key == "ExecStart":
			s.starts = append(s.starts, value)
		case key == "EnvironmentFile" && value == "":
			s.envFiles = nil
		case key == "EnvironmentFile":
			s.envFiles = append(s.envFiles, strings.TrimPrefix(value, "-"))
		case key == "Environment" && value == "":
			clear(s.env)
		case key == "Environment":
			for _, w := range splitWords(value) {
				if k, v, ok := strings.Cut(w.text, "="); ok {
					s.env[k] = v
				}
			}
		}
	}
}

// logicalLines joins lines that end with a backslash, and drops empty ones and
// comments, also amid a continuation (systemd.syntax(7)).
func logicalLines(text string) []string {
	var lines []string
	var open strings.Builder
	going := false
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		before, more := strings.CutSuffix(trimmed, `\`)
		open.WriteString(before)
		if going = more; going {
			open.WriteByte(' ')
			continue
		}
		if open.Len() > 0 {
			lines = append(lines, strings.TrimSpace(open.String()))
		}
		open.Reset()
	}
	if going {
		lines = append(lines, strings.TrimSpace(open.String()))
	}
	return lines
}

// readEnvironment takes the files that are there; one that is not is optional
// or keeps the unit from starting, which is not for us to judge.
func (s *service) readEnvironment(files fs.FS) {
	for _, name := range s.envFiles {
		text, err := read(files, strings.TrimPrefix(path.Clean(name), "/"))
		if err != nil {
			continue
		}
		for _, line := range logicalLines(string(text)) {
			key, value, ok := strings.Cut(line, "=")
			if !ok {
				continue
			}
			value = strings.TrimSpace(value)
			if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") {
				var words []string
				for _, w := range splitWords(value) {
					words = append(words, w.text)
				}
				value = strings.Join(words, " ")
			}
			s.env[strings.TrimSpace(key)] = value
		}
	}
}

// args are the words after lelastic in the command that runs it.
func (s *service) args(unit string) ([]string, error) {
	for _, start := range s.starts {
		words := s.expand(splitWords(strings.TrimLeft(start, "@-:+!|")))
		i := slices.IndexFunc(words, func(w string) bool { return path.Base(w) == "lelastic" })
		if i >= 0 {
			return words[i+1:], nil
		}
	}
	if len(s.starts) == 0 {
		return nil, fmt.Errorf("%s has no ExecStart in its [Service] section", unit)
	}
	return nil, errors.Join(fmt.Errorf("%s does not run lelastic itself: ExecStart=%s", unit, s.starts[len(s.starts)-1]),
		errors.New("give the flags by hand: stentor import lelastic -- -dcid NUMBER -primary"))
}

// expand puts in the environment: ${NAME} within a word, and $NAME as a word of
// its own, which is split at blanks.
func (s *service) expand(words []word) []string {
	var all []string
	for _, w := range words {
		if name, ok := strings.CutPrefix(w.text, "$"); ok && !w.quoted && !strings.HasPrefix(name, "{") && !strings.HasPrefix(name, "$") {
			all = append(all, strings.Fields(s.env[name])...)
			continue
		}
		all = append(all, strings.ReplaceAll(s.braces(w.text), "%%", "%"))
	}
	return all
}

func (s *service) braces(text string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "$")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "{"), "}")
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "{") && closed:
			b.WriteString(s.env[name])
			text = after
		default:
			b.WriteByte('$')
			text = rest
		}
	}
}

// word is one argument.
type word struct {
	text   string
	quoted bool
}

// escapes are those of systemd.syntax(7) that stand for one character.
var escapes = map[byte]byte{'n': '\n', 't': '\t', 's': ' ', '\\': '\\', '"': '"', '\'': '\''}

// splitWords splits at blanks outside of quotes.
func splitWords(line string) []word {
	var words []word
	var b strings.Builder
	started, quoted, quote := false, false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		e, known := byte(0), false
		if c == '\\' && i+1 < len(line) {
			e, known = escapes[line[i+1]]
		}
		switch {
		case known:
			b.WriteByte(e)
			i++
			started = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, started, quoted = c, true, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if started {
				words = append(words, word{b.String(), quoted})
			}
			b.Reset()
			started, quoted = false, false
		default:
			b.WriteByte(c)
			started = true
		}
	}
	if started {
		words = append(words, word{b.String(), quoted})
	}
	return words
}
