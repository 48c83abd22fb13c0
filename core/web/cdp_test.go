package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/host/hosttest"
)

// browser is a headless Chromium that is spoken to over a pipe, in the
// DevTools protocol: JSON messages that end with a NUL.
type browser struct {
	t    *testing.T
	in   *os.File
	done chan struct{} // closed when Chromium is gone

	mu     sync.Mutex
	calls  map[int]chan message
	tabs   map[string]*tab // by session
	lastID int
}

// fonts has system-ui look as on a desktop, where a font for screens is there.
const fonts = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<match><test name="family"><string>sans-serif</string></test><edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>
<match><test name="family"><string>system-ui</string></test><edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>
</fontconfig>`

type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// startBrowser starts Chromium inside ns, where nothing but the test's own
// server can be reached. It ends with the test.
func startBrowser(t *testing.T, ns *hosttest.NS) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs Debian's package chromium")
	}
	toChild, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, fromChild, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "fontconfig"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "fontconfig", "fonts.conf"), []byte(fonts), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+home, "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "TZ=UTC", "LANG=C.UTF-8")
	cmd.ExtraFiles = []*os.File{toChild, fromChild} // its 3 and 4
	var startErr error
	ns.Do(func() { startErr = cmd.Start() })
	if startErr != nil {
		t.Fatal(startErr)
	}
	toChild.Close()
	fromChild.Close()
	b := &browser{t: t, in: in, done: make(chan struct{}), calls: map[int]chan message{}, tabs: map[string]*tab{}}
	go b.read(out)
	t.Cleanup(func() {
		b.send(message{Method: "Browser.close"})
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
		in.Close()
		out.Close()
	})
	return b
}

func (b *browser) read(out *os.File) {
	defer close(b.done)
	r := bufio.NewReaderSize(out, 1<<20)
	for {
		data, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(data[:len(data)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		answered, open := b.calls[m.ID], b.tabs[m.Session]
		b.mu.Unlock()
		if m.ID != 0 && answered != nil {
			answered <- m
		} else if open != nil {
			open.note(m)
		}
	}
}

func (b *browser) send(m message) (answer chan message) {
	answer = make(chan message, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastID++
	m.ID = b.lastID
	b.calls[m.ID] = answer
	data, err := json.Marshal(m)
	if err == nil {
		_, err = b.in.Write(append(data, 0))
	}
	if err != nil {
		close(answer)
	}
	return answer
}

// call asks the browser, and unpacks the result into out unless that is nil.
func (b *browser) call(session, method string, params, out any) {
	b.t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		b.t.Fatal(err)
	}
	select {
	case m := <-b.send(message{Session: session, Method: method, Params: raw}):
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if out != nil {
			if err := json.Unmarshal(m.Result, out); err != nil {
				b.t.Fatalf("%s: %v in %s", method, err, m.Result)
			}
		}
	case <-b.done:
		b.t.Fatalf("%s: Chromium ended", method)
	case <-time.After(patience):
		b.t.Fatalf("%s: no answer from Chromium", method)
	}
}

// tab is one page, and what it did.
type tab struct {
	*browser
	session string

	mu       sync.Mutex
	requests []string
	errors   []string // whatever the console shows as one
}

type object map[string]any

// open shows url in a tab of its own.
func (b *browser) open(url string, width, height int, media object) *tab {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("", "Target.createTarget", object{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &tab{browser: b, session: attached.SessionID}
	b.mu.Lock()
	b.tabs[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.do(domain+".enable", object{})
	}
	p.do("Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
	if media != nil {
		p.media(media)
	}
	p.do("Page.navigate", object{"url": url})
	return p
}

// media sets media features, such as prefers-color-scheme.
func (p *tab) media(features object) {
	p.t.Helper()
	var list []object
	for name, value := range features {
		list = append(list, object{"name": name, "value": value})
	}
	p.do("Emulation.setEmulatedMedia", object{"features": list})
}

func (p *tab) do(method string, params any) {
	p.t.Helper()
	p.call(p.session, method, params, nil)
}

func (p *tab) note(m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.Method {
	case "Network.requestWillBeSent":
		var e struct{ Request struct{ URL string } }
		_ = json.Unmarshal(m.Params, &e)
		p.requests = append(p.requests, e.Request.URL)
	case "Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled":
		p.errors = append(p.errors, fmt.Sprintf("%s %s", m.Method, m.Params))
	}
}

// eval gives the value of an expression, or of the promise that it is.
func (p *tab) eval(expr string, out any) {
	p.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	p.call(p.session, "Runtime.evaluate", object{"expression": expr, "returnByValue": true, "awaitPromise": true}, &answer)
	if answer.ExceptionDetails != nil {
		p.t.Fatalf("%s\n%s", expr, answer.ExceptionDetails)
	}
	if out != nil {
		if err := json.Unmarshal(answer.Result.Value, out); err != nil {
			p.t.Fatalf("%s gave %s: %v", expr, answer.Result.Value, err)
		}
	}
}

func (p *tab) text(selector string) string {
	p.t.Helper()
	var s string
	p.eval(fmt.Sprintf("(document.querySelector(%q)||{textContent:''}).textContent", selector), &s)
	return s
}

// shows waits until the element has a text.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	var now string
	if !poll(func() bool { now = p.text(selector); return strings.Contains(now, text) }) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("%s does not show %q after %s; it has %.200q, and the console %.2000q", selector, text, patience, now, p.errors)
	}
}

func (p *tab) key(key, code string, text string) {
	p.t.Helper()
	down := object{"type": "keyDown", "key": key, "code": code, "text": text}
	if key == "Tab" {
		down["windowsVirtualKeyCode"] = 9
	}
	p.do("Input.dispatchKeyEvent", down)
	p.do("Input.dispatchKeyEvent", object{"type": "keyUp", "key": key, "code": code})
}

func (p *tab) enter(text string) {
	p.t.Helper()
	p.do("Input.insertText", object{"text": text})
}

// patience is how long what has to happen soon is waited for.
const patience = 30 * time.Second

// poll asks again and again, and gives up when patience ends.
func poll(ok func() bool) bool {
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}
