package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
)

// service is a daemon of Debian's on a host of the lab.
type service struct {
	r    *rig
	host string
	name string
	argv []string
	proc *lab.Process
}

// serve starts a daemon. It ends with the lab.
func (r *rig) serve(host, name string, argv ...string) *service {
	r.t.Helper()
	s := &service{r: r, host: host, name: name, argv: argv}
	s.start(r.t)
	return s
}

func (s *service) start(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(s.argv[0]); err != nil {
		t.Skipf("%s is not installed", s.argv[0])
	}
	p, err := s.r.Start(s.host, s.name+"-"+s.host, s.argv)
	if err != nil {
		t.Fatal(err)
	}
	s.proc = p
}

// stop ends it as its unit's stop would.
func (s *service) stop(t *testing.T) {
	t.Helper()
	if err := s.proc.Stop(s.r.limit(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
}

func (s *service) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.proc.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func (s *service) stopped() fault { return fault{"stop", s.stop, s.start, "connection refused"} }

// frozen leaves the kernel to take connections that nobody answers.
func (s *service) frozen(says string) fault {
	return fault{"freeze",
		func(t *testing.T) { s.signal(t, syscall.SIGSTOP) },
		func(t *testing.T) { s.signal(t, syscall.SIGCONT) },
		says}
}

// limp stops it again and again for a while that a check has patience for, until
// ok.
func (s *service) limp(t *testing.T, ok func() bool) {
	t.Helper()
	pass := func(d time.Duration) {
		select {
		case <-t.Context().Done():
			t.Fatal("out of time")
		case <-time.After(d):
		}
	}
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("no check of %s was slow", s.name)
		}
		s.signal(t, syscall.SIGSTOP)
		pass(300 * time.Millisecond)
		s.signal(t, syscall.SIGCONT)
		pass(200 * time.Millisecond)
	}
}

// folder is one for a service's files.
func (r *rig) folder(host, name string) string {
	r.t.Helper()
	dir := filepath.Join(r.Dir(), name+"-"+host+".d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	return dir
}

func (r *rig) put(path, text string, mode os.FileMode) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		r.t.Fatal(err)
	}
}

// web is nginx before an application that can be told what to answer.
type web struct {
	*service
	answer atomic.Pointer[answer]
}

type answer struct {
	status int
	body   string
	after  time.Duration
}

// ready is what the application answers when all is well.
var ready = answer{http.StatusOK, "ready", 0}

func (r *rig) nginx(host string) *web {
	r.t.Helper()
	w := &web{}
	w.answer.Store(&ready)
	var listener net.Listener
	if err := r.Do(host, func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:9000")
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	app := &http.Server{Handler: w}
	go app.Serve(listener)
	r.t.Cleanup(func() { app.Close() })
	dir := r.folder(host, "nginx")
	config := filepath.Join(dir, "nginx.conf")
	// One process, so that a signal stops all of it.
	r.put(config, strings.ReplaceAll(`daemon off;
master_process off;
pid DIR/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	server {
		listen 80;
		location / { proxy_pass http://127.0.0.1:9000; }
	}
}
`, "DIR", dir), 0o644)
	w.service = r.serve(host, "nginx", "/usr/sbin/nginx", "-e", "stderr", "-p", dir, "-c", config)
	return w
}

// ServeHTTP is the application.
func (w *web) ServeHTTP(out http.ResponseWriter, q *http.Request) {
	a := w.answer.Load()
	select {
	case <-q.Context().Done():
		return
	case <-time.After(a.after):
	}
	out.WriteHeader(a.status)
	fmt.Fprint(out, a.body)
}

// answers is the fault that the application answers otherwise.
func (w *web) answers(name string, a answer, says string) fault {
	return fault{name, func(*testing.T) { w.answer.Store(&a) }, func(*testing.T) { w.answer.Store(&ready) }, says}
}

// resolver is dnsmasq, which knows one name and asks nobody.
type resolver struct {
	*service
	hosts string
}

const knows = "192.0.2.1 health.example\n"

func (r *rig) dnsmasq(host string) *resolver {
	r.t.Helper()
	d := &resolver{hosts: filepath.Join(r.folder(host, "dnsmasq"), "hosts")}
	r.put(d.hosts, knows, 0o644)
	d.service = r.serve(host, "dnsmasq", "/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=",
		"--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.1", "--addn-hosts="+d.hosts)
	return d
}

// answers is the fault that it knows other names than it should.
func (d *resolver) answers(name, hosts, says string) fault {
	load := func(text string) func(*testing.T) {
		return func(t *testing.T) {
			d.r.put(d.hosts, text, 0o644)
			d.signal(t, syscall.SIGHUP)
		}
	}
	return fault{name, load(hosts), load(knows), says}
}

// store is Redis.
type store struct {
	*service
	port  int
	admin net.Conn // of a client that came before all others; nil if there is none
}

func (r *rig) redis(host string, port int) *store {
	r.t.Helper()
	name := fmt.Sprintf("redis%d", port)
	return &store{port: port, service: r.serve(host, name, "/usr/bin/redis-server", "--port", fmt.Sprint(port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", r.folder(host, name))}
}

// set changes a setting of the running server.
func (s *store) set(t *testing.T, key, value string) {
	t.Helper()
	if s.admin == nil {
		if err := s.r.Do(s.host, func() (err error) {
			s.admin, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.admin.Close(); s.admin = nil })
	}
	s.admin.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(s.admin, "CONFIG SET %s %q\r\n", key, value)
	if said, err := bufio.NewReader(s.admin).ReadString('\n'); err != nil || said != "+OK\r\n" {
		t.Fatalf("CONFIG SET %s: %q %v", key, said, err)
	}
}

// setting is the fault that something is set wrong.
func (s *store) setting(name, key, broken, sound, says string) fault {
	return fault{name, func(t *testing.T) { s.set(t, key, broken) }, func(t *testing.T) { s.set(t, key, sound) }, says}
}
