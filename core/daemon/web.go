package daemon

import (
	"os"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/core/web"
)

// openWeb makes the status page, which listens where cfg says.
func (d *Daemon) openWeb(cfg *config.Config) {
	host, err := os.Hostname()
	if err != nil {
		d.Log.Warn("the status page does not show this host's name", "error", err)
	}
	d.web = web.New(web.Options{
		Host: host, Status: d.Status, Next: d.Next, History: d.History(), Metrics: d.Metrics(),
		Changed: func() { d.loop.Wake() }, Log: d.Log,
	})
	d.web.Listen(cfg.HTTP.Listen)
}

// problems is what is wrong beside backends, VIPs and peers.
func (d *Daemon) problems() []status.Problem {
	all := d.events.problems()
	if p := d.web.Problem(); p != nil {
		all = append(all, *p)
	}
	return all
}
