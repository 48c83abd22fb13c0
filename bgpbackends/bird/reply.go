package bird

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits of one reply: 10,000 prefixes told to a peer take 800 KiB.
const (
	maxLine  = 64 << 10
	maxReply = 16 << 20
)

// Codes of replies that are acted on (BIRD's doc/reply_codes).
const (
	codeReconfigured = 3  // done; also "configure status" when nothing is under way
	codeInProgress   = 4  // a reconfiguration has begun
	codeQueued       = 5  // it waits for one that is under way
	codeShutdown     = 6  // BIRD is shutting down
	codeUndoing      = 21 // an undo has begun
	codeUndoQueued   = 22
	codeEval         = 23
	codeProtocol     = 1002 // a line of "show protocols"
	codeDetails      = 1006 // what "all" adds to it
	codeRoutes       = 1007
	codeReading      = 2    // "Reading configuration from ..."
	codeNoProtocol   = 8003 // "No protocols match"
	codeSyntax       = 9001
)

// line is one line of a reply, with the code that stands on it or, where it
// begins with a space, on the last line that has one.
type line struct {
	code int
	text string
}

// reply is an answer of BIRD. Its last line carries the outcome.
type reply []line

func (r reply) code() int { return r[len(r)-1].code }

// has tells whether a line has that code: some replies end with an empty line
// of code 0 behind the one that says something.
func (r reply) has(code int) bool {
	return slices.ContainsFunc(r, func(l line) bool { return l.code == code })
}

// text joins the lines of one code, and all lines for a code below 0.
func (r reply) text(code int) string {
	var l []string
	for _, x := range r {
		if (code < 0 || x.code == code) && x.text != "" {
			l = append(l, strings.TrimSpace(x.text))
		}
	}
	return strings.Join(l, "; ")
}

// refusal is a reply of BIRD's classes 8 (runtime error) and 9 (syntax error).
type refusal struct {
	command string
	reply   reply
}

func (e *refusal) Error() string {
	return fmt.Sprintf("BIRD refuses %q: %s", e.command, e.reply.text(e.reply.code()))
}

// refused gives the code of a refusal, and 0 for any other error.
func refused(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.reply.code()
	}
	return 0
}

// readReply reads up to the line whose code is followed by a space; a dash
// says that more lines follow. A line that begins with a space has the code of
// the line before it: before 2.0.8 that can be one of the last reply, whose code
// is given.
func readReply(in *bufio.Reader, code int) (reply, error) {
	var r reply
	size := 0
	for {
		raw, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("a line of the reply is longer than %d KiB", maxLine>>10)
		}
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if size += len(raw); size > maxReply {
			return nil, fmt.Errorf("the reply is longer than %d MiB", maxReply>>20)
		}
		text := strings.TrimRight(string(raw), "\r\n")
		switch {
		case text == "" || text[0] == '+': // mirrored log messages begin with +
			continue
		case text[0] == ' ':
			r = append(r, line{code, text[1:]})
			continue
		}
		n, more, ok := lineCode(text)
		if !ok {
			return nil, fmt.Errorf("%.40q is no line of a reply", text)
		}
		code = n
		r = append(r, line{code, text[5:]})
		if !more {
			return r, nil
		}
	}
}

// lineCode reads "1002-" or "0003 ".
func lineCode(text string) (code int, more, ok bool) {
	if len(text) < 5 || text[4] != '-' && text[4] != ' ' {
		return 0, false, false
	}
	for _, c := range text[:4] {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		code = code*10 + int(c-'0')
	}
	return code, text[4] == '-', true
}
