package docs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a fenced block of a document.
type block struct {
	line     int    // of the opening fence
	language string // what stands behind it
	before   string // the last line of the paragraph before
	lines    []string
}

// blocks reads the fenced blocks of a document.
func blocks(t *testing.T, document string) (all []block) {
	t.Helper()
	before, inside := "", false
	for i, line := range lines(t, document) {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && !inside:
			inside = true
			all = append(all, block{line: i + 1, language: fence, before: before})
		case isFence:
			inside, before = false, ""
		case inside:
			last := &all[len(all)-1]
			last.lines = append(last.lines, line)
		case line != "":
			before = line
		}
	}
	return all
}

func lines(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// step is something that a reader does: write a file, or run a command.
type step struct {
	line    int
	file    string // to be written with text, or
	text    string
	command string   // to be run,
	shows   []string // and its output has these
}

// itsFile is a paragraph that ends with the file that the next block is.
var itsFile = regexp.MustCompile("`([^`]+)`:$")

// steps reads what a document has its reader do: the blocks of the language
// console, and those after a paragraph that ends with a file's name and a colon.
// A command goes on in the lines that begin with "> ".
func steps(t *testing.T, document string) (all []step) {
	t.Helper()
	for _, b := range blocks(t, document) {
		if m := itsFile.FindStringSubmatch(b.before); m != nil && b.language != "console" {
			all = append(all, step{line: b.line + 1, file: m[1], text: strings.Join(b.lines, "\n") + "\n"})
		}
		if b.language != "console" {
			continue
		}
		for i, line := range b.lines {
			command, isCommand := strings.CutPrefix(line, "$ ")
			if isCommand {
				all = append(all, step{line: b.line + 1 + i, command: command})
				continue
			}
			last := &all[len(all)-1]
			if more, isMore := strings.CutPrefix(line, "> "); isMore {
				last.command += "\n" + more
			} else {
				last.shows = append(last.shows, line)
			}
		}
	}
	return all
}

// missing gives the first line that should be in the output after the ones
// before it, and is not. "..." stands for any part of a line.
func missing(output string, shows []string) (string, bool) {
	rest := strings.Split(output, "\n")
	for _, want := range shows {
		if strings.Trim(want, ". ") == "" {
			continue
		}
		i := slices.IndexFunc(rest, func(line string) bool { return shown(line, want) })
		if i < 0 {
			return want, true
		}
		rest = rest[i+1:]
	}
	return "", false
}

func shown(line, want string) bool {
	for part := range strings.SplitSeq(strings.TrimSpace(want), "...") {
		_, after, ok := strings.Cut(line, strings.TrimSpace(part))
		if !ok {
			return false
		}
		line = after
	}
	return true
}
