package hosts_test

import (
	"strings"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// listener answers GET, and keeps what is posted to it.
const listener = `import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def do_POST(self):
        with open("/run/posted", "ab") as f:
            f.write(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()
http.server.HTTPServer(("127.0.0.1", 9700), Handler).serve_forever()
`

// uses is a config with what a person adds to the plain one: checks of each kind
// that needs something of the host, hooks, and the status page.
const uses = `
[http]
listen = "127.0.0.1:9600"
[hook.program]
exec = ["/home/admin/hook"]
on = ["check"]
[hook.web]
url = "http://127.0.0.1:9700/"
on = ["check"]
[vip.web.check.program]
exec = ["/home/admin/check", "argument"]
user = "nobody"
[vip.web.check.process]
process = "python3"
[vip.web.check.file]
file = "/run/app.ready"
[vip.web.check.unit]
unit = "app.service"
[vip.web.check.icmp]
icmp = "192.0.2.1"
[vip.web.check.http]
url = "http://127.0.0.1:9700/"
[vip.web.check.link]
interface = "eth0"
`

// usesInSandbox has checks, hooks and the status page do their work within the
// unit as the package brings it.
func (r *rig) usesInSandbox() {
	r.t.Helper()
	for path, f := range map[string]hosts.File{
		"/root/listener.py":               {Content: listener, Mode: 0o644},
		"/etc/systemd/system/app.service": {Content: "[Service]\nExecStart=/usr/bin/python3 /root/listener.py\n", Mode: 0o644},
		"/home/admin/check":               {Content: "#!/bin/sh\n[ \"$1 $(id -un)\" = 'argument nobody' ]\n", Mode: 0o755},
		"/home/admin/hook":                {Content: "#!/bin/sh\necho \"$STENTOR_NAME $STENTOR_STATE\" >>/run/hooked\nstentor status >>/run/hooked || :\n", Mode: 0o755},
		conf:                              {Content: configText(r.backend, r.table, web) + uses, Mode: 0o644},
	} {
		if err := r.host.Put(path, f); err != nil {
			r.t.Fatal(err)
		}
	}
	r.do("touch /run/app.ready && systemctl daemon-reload && systemctl start app && systemctl reload stentor")
	checks := []string{"program", "process", "file", "unit", "icmp", "http", "link"}
	for _, c := range checks {
		r.check("web/"+c, "up")
	}
	r.eventually("both hooks were told of each check", func() bool {
		hooked, posted := r.try("cat /run/hooked").Stdout, r.try("cat /run/posted").Stdout
		for _, c := range checks {
			if !strings.Contains(hooked, "web/"+c+" up\n") || !strings.Contains(posted, `"web/`+c+`"`) {
				return false
			}
		}
		return strings.Contains(hooked, "peers of AS")
	})
	page := r.do(`python3 -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9600/metrics").read().decode())'`)
	if !strings.Contains(page, "stentor_") {
		r.t.Errorf("the status page: %s", page)
	}
	r.do("systemctl stop app")
	r.check("web/unit", "down")
	r.config(web)
	r.do("systemctl reload stentor && rm -r /etc/systemd/system/app.service /run/app.ready /home/admin")
}
