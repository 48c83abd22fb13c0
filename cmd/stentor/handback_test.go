package main

import "testing"

func TestReadOnly(t *testing.T) {
	const program = "/usr/bin/stentor"
	tests := map[string]struct {
		from, to uintptr
		ok       bool
	}{
		"00400000-00c9a000 r-xp 00000000 fe:00 10019208                           /usr/bin/stentor":           {0x400000, 0xc9a000, true},
		"00c9a000-016e3000 r--p 0089a000 fe:00 10019208                           /usr/bin/stentor":           {0xc9a000, 0x16e3000, true},
		"021c4000-02247000 rw-p 01dc2000 fe:00 10019208                           /usr/bin/stentor":           {},
		"7f9f3bd65000-7f9f3bebb000 r-xp 00026000 fe:00 131 /usr/lib/x86_64-linux-gnu/libc.so.6":               {},
		"18e69a000000-18e69a800000 rw-p 00000000 00:00 0":                                                     {},
		"7ffd1c5f4000-7ffd1c5f6000 r-xp 00000000 00:00 0                          [vdso]":                     {},
		"00400000-00c9a000 r-xp 00000000 fe:00 10019208                           /usr/bin/stentor (deleted)": {},
		"": {},
	}
	for line, want := range tests {
		from, to, ok := readOnly(line, program)
		if ok != want.ok || ok && (from != want.from || to != want.to) {
			t.Errorf("%q: %x %x %v", line, from, to, ok)
		}
	}
}
