package frr

import (
	"path/filepath"

	"github.com/stentor-net/stentor/bgpbackends/internal/lazy"
	"github.com/stentor-net/stentor/plugins"
)

// Where Debian's, Red Hat's and FRR's own packages have them.
const (
	defaultVTYSH  = "/usr/bin/vtysh"
	defaultVTYDir = "/var/run/frr"
)

// settings are the [backend.frr] table.
type settings struct {
	VTYSH             string `json:"vtysh"`
	Pathspace         string `json:"pathspace"`
	VTYSocket         string `json:"vty_socket"`
	ResolveViaDefault bool   `json:"resolve_via_default"`
}

// pathspaces are what FRR's own -N takes: a name, no path.
var pathspaces = lazy.Regexp(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

func newSettings(c plugins.Config) (settings, error) {
	s := settings{VTYSH: defaultVTYSH}
	if err := c.Decode(&s); err != nil {
		return s, err
	}
	switch {
	case c.Root != "":
		return s, &plugins.ConfigError{Msg: "FRR's running configuration is live only", Hint: "there is nothing to write into an image; run stentor on the booted host"}
	case !filepath.IsAbs(s.VTYSH):
		return s, &plugins.ConfigError{Key: "vtysh", Msg: "must be an absolute path", Hint: "the default is " + defaultVTYSH}
	case s.VTYSocket != "" && !filepath.IsAbs(s.VTYSocket):
		return s, &plugins.ConfigError{Key: "vty_socket", Msg: "must be an absolute path", Hint: "the folder of the daemons' sockets, " + defaultVTYDir + " by default"}
	case s.Pathspace != "" && !pathspaces().MatchString(s.Pathspace):
		return s, &plugins.ConfigError{Key: "pathspace", Msg: "must be a name, not a path", Hint: "as the FRR daemons were given it with -N"}
	}
	return s, nil
}

// args are vtysh's options that lead it to the right daemons.
func (s settings) args() []string {
	var args []string
	if s.VTYSocket != "" {
		args = append(args, "--vty_socket", s.VTYSocket)
	}
	if s.Pathspace != "" {
		args = append(args, "-N", s.Pathspace)
	}
	return args
}

// socket is where a daemon listens for vtysh.
func (s settings) socket(daemon string) string {
	dir := s.VTYSocket
	if dir == "" {
		dir = defaultVTYDir
	}
	return filepath.Join(dir, s.Pathspace, daemon+".vty")
}
