package ifupdown

import (
	"bytes"
)

// The lines that we add to /etc/network/interfaces when we may. The mark says
// whether a line end was added before it, so that removal gives back the file
// as it was, byte by byte.
const (
	sourceLine = "source " + own + "\n"
	mark       = "# managed by stentor: the next line reads its file\n"
	markJoined = "# managed by stentor, as is the line end before: the next line reads its file\n"
)

// withSource appends our lines.
func withSource(content []byte) []byte {
	out := bytes.Clone(content)
	if len(out) == 0 || bytes.HasSuffix(out, []byte("\n")) {
		return append(out, mark+sourceLine...)
	}
	return append(out, "\n"+markJoined+sourceLine...)
}

// withoutSource takes our lines out, and tells whether there were any.
func withoutSource(content []byte) ([]byte, bool) {
	for _, lines := range []string{"\n" + markJoined + sourceLine, mark + sourceLine} {
		if i := bytes.Index(content, []byte(lines)); i >= 0 {
			out := make([]byte, 0, len(content))
			return append(append(out, content[:i]...), content[i+len(lines):]...), true
		}
	}
	return content, false
}
