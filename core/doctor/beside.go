package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// rival is a process that announces shared IPs too: Linode's wrapper of GoBGP.
const rival = "lelastic"

// beside: two speakers on one host announce and withdraw behind each other's
// back.
func (x *exam) beside() {
	names, _ := fs.Glob(x.Files, "proc/[0-9]*/comm") // only a bad pattern is an error
	for _, name := range names {
		b, err := fs.ReadFile(x.Files, name)
		if err != nil || strings.TrimSpace(string(b)) != rival {
			continue // also when it has ended
		}
		dir := path.Dir(name)
		more := ", and whatever any local user gives it on 127.0.0.1:50051"
		if exe, err := fs.ReadLink(x.Files, path.Join(dir, "exe")); err == nil && path.Base(exe) == "stentor" {
			more = "" // ours, by that name
		}
		x.add(Warning, rival, fmt.Sprintf("%s runs beside Stentor (process %s): it announces shared IPs by itself%s", rival, path.Base(dir), more),
			"before stentor run: systemctl disable --now lelastic")
	}
}
