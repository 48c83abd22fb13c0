// Package dissect has tests read packets with Wireshark's dissectors.
package dissect

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The file format: pcap, whose packets begin with tags that name a dissector
// (LINKTYPE_WIRESHARK_UPPER_PDU, www.tcpdump.org/linktypes.html).
const (
	magic        = 0xa1b2c3d4
	upperPDU     = 252
	tagDissector = 12
	tagTable     = 14
	tagEntry     = 32
	snapLen      = 1 << 17
)

var (
	frame = regexp.MustCompile(`(?m)^Frame \d+: `)
	// protocols begin at the start of a line: the packet's, after that of the file.
	protocols = regexp.MustCompile(`(?m)^[A-Z]`)
	// What a dissector did not understand, or what it warns of.
	amiss = regexp.MustCompile(`(?i)malformed|\[Expert Info \((Warning|Error)`)
)

// Dissector names one of Wireshark's.
type Dissector []byte

// ByName is the one of that name.
func ByName(name string) Dissector { return tag(nil, tagDissector, []byte(name)) }

// ByPort is the one that a table has for a port: "udp.port".
func ByPort(table string, port uint32) Dissector {
	return tag(tag(nil, tagTable, []byte(table)), tagEntry, binary.BigEndian.AppendUint32(nil, port))
}

// tag appends one; values are padded to four bytes.
func tag(b []byte, code uint16, value []byte) []byte {
	for len(value)%4 != 0 {
		value = append(value, 0)
	}
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// Texts gives what Wireshark says of each packet. It fails the test for one
// that it does not understand, and skips it where there is no tshark.
func Texts(t *testing.T, dissector Dissector, packets ...[]byte) []string {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	path := filepath.Join(t.TempDir(), "packets.pcap")
	if err := os.WriteFile(path, file(dissector, packets), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tshark", "-n", "-V", "-r", path)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	texts := frame.Split(string(out), -1)[1:]
	if len(texts) != len(packets) {
		t.Fatalf("tshark tells of %d packets, and there are %d:\n%s", len(texts), len(packets), out)
	}
	for i, text := range texts {
		if len(protocols.FindAllString(text, -1)) < 2 {
			t.Errorf("packet %d was not dissected:\n%s", i+1, text)
		}
		if found := amiss.FindString(text); found != "" {
			t.Errorf("packet %d is %q:\n%s", i+1, found, text)
		}
	}
	return texts
}

func file(dissector Dissector, packets [][]byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, magic)
	b = binary.BigEndian.AppendUint32(b, 2<<16|4) // version 2.4
	b = append(b, make([]byte, 8)...)             // time zone, accuracy
	b = binary.BigEndian.AppendUint32(b, snapLen)
	b = binary.BigEndian.AppendUint32(b, upperPDU)
	tags := tag(dissector, 0, nil) // no more tags
	for _, p := range packets {
		length := uint32(len(tags) + len(p))
		b = append(b, make([]byte, 8)...) // time
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, length), length)
		b = append(append(b, tags...), p...)
	}
	return b
}
