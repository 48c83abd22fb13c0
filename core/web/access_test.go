package web

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/status"
)

// TestPageOnPhones: nothing stands out on the right, and the tables are still
// tables to a screen reader though they look like cards.
func TestPageOnPhones(t *testing.T) {
	d := incident(t)
	d.status.VIPs[0].Why = strings.Repeat("unbreakable", 40)
	url, b := browse(t, d)
	p := b.open(url, 360, 740, nil)
	p.shows("#link", "live")
	p.shows("#event-list", "vip api")
	var wide []string
	p.eval(`[document.documentElement, ...document.querySelectorAll("body *")].filter((e) => !e.closest(".unseen, .skip, thead") && e.getBoundingClientRect().right > 360).map((e) => e.outerHTML.slice(0, 80))`, &wide)
	if diff := cmp.Diff([]string{}, wide); diff != "" {
		t.Errorf("wider than the screen:\n%s", diff)
	}
	var width int
	p.eval(`document.documentElement.scrollWidth`, &width)
	if width > 360 {
		t.Errorf("the page scrolls sideways: %d px", width)
	}
	var tree struct {
		Nodes []struct {
			Ignored bool
			Role    struct{ Value string }
		}
	}
	p.call(p.session, "Accessibility.getFullAXTree", object{}, &tree)
	roles := map[string]int{}
	for _, n := range tree.Nodes {
		if !n.Ignored {
			roles[n.Role.Value]++
		}
	}
	for role, want := range map[string]int{"table": 3, "columnheader": 15, "row": 3 + 6 + 4 + 5, "rowheader": 15, "heading": 6} {
		if roles[role] != want {
			t.Errorf("%d of role %s, want %d", roles[role], role, want)
		}
	}
	p.clean(url)
}

func TestPageByKeyboard(t *testing.T) {
	url, b := browse(t, incident(t))
	p := b.open(url, 1280, 900, nil)
	p.shows("#link", "live")
	p.shows("#event-list", "vip api")
	focused := func() string {
		var s string
		p.eval(`document.activeElement.id || document.activeElement.textContent`, &s)
		return s
	}
	var order []string
	for range 8 {
		p.key("Tab", "Tab", "")
		order = append(order, focused())
	}
	want := []string{"Skip to the filter", "filter", "VIPs", "Peers", "checks-link", "Timeline", "status as JSON", "history as JSON"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("the order of Tab (-want +got):\n%s", diff)
	}
	var outline string
	p.eval(`getComputedStyle(document.activeElement).outlineStyle`, &outline)
	if outline != "solid" {
		t.Errorf("the focus can't be seen: outline %q", outline)
	}
	shown := func(selector string) (names []string) {
		p.eval(`[...document.querySelectorAll("`+selector+`")].filter((r) => !r.hidden).map((r) => r.querySelector("b").textContent)`, &names)
		return names
	}
	p.key("/", "Slash", "/")
	if f := focused(); f != "filter" {
		t.Fatalf("/ goes to %q, want the filter", f)
	}
	p.enter("rs3 mail")
	p.shows("#matches", "0 matches") // that one is told to nobody
	p.key("Escape", "Escape", "")
	p.shows("#matches", "")
	p.enter("2001:DB8 announced")
	p.shows("#matches", "2 matches")
	if diff := cmp.Diff([]string{"dns6", "web6"}, shown("#vip-rows tr")); diff != "" {
		t.Errorf("the filter (-want +got):\n%s", diff)
	}
	p.clean(url)
}

// contrast gives the texts that stand out less from what is behind them than
// WCAG 2 §1.4.3 wants for small ones, 4.5 to 1. A canvas mixes the colours.
const contrast = `(() => {
	const c = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
	const mixed = (colours) => { c.clearRect(0, 0, 1, 1); for (const x of colours) { c.fillStyle = x; c.fillRect(0, 0, 1, 1) } return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3) };
	const light = (rgb) => { const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
	const poor = [];
	for (const e of document.querySelectorAll("body *")) {
		if (e.closest(".unseen, .skip, template, svg, script, noscript, [hidden]") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const behind = [];
		for (let x = e; x; x = x.parentElement) behind.unshift(getComputedStyle(x).backgroundColor);
		const back = light(mixed(behind)), front = light(mixed([...behind, getComputedStyle(e).color]));
		const ratio = (Math.max(back, front) + .05) / (Math.min(back, front) + .05);
		if (ratio < 4.5) poor.push(ratio.toFixed(2) + " " + e.outerHTML.slice(0, 100));
	}
	return poor;
})()`

func TestPageContrast(t *testing.T) {
	url, b := browse(t, incident(t))
	for _, scheme := range []string{"light", "dark"} {
		p := b.open(url, 1280, 900, object{"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"})
		p.shows("#event-list", "vip api")
		var poor []string
		p.eval(contrast, &poor)
		for _, e := range poor {
			t.Errorf("%s: contrast %s", scheme, e)
		}
	}
}

// TestPageKeepsStill where people ask for no motion, and moves where they don't.
func TestPageKeepsStill(t *testing.T) {
	d := incident(t)
	url, b := browse(t, d)
	for motion, want := range map[string]bool{"reduce": false, "no-preference": true} {
		p := b.open(url, 1280, 900, object{"prefers-reduced-motion": motion})
		p.shows("#vip-rows", "api")
		// An animation may be over when it is looked for, so its beginning is noted.
		p.eval(`(() => {
			window.began = 0;
			const animate = Element.prototype.animate;
			Element.prototype.animate = function (...how) { began++; return animate.apply(this, how) };
		})()`, nil)
		d.publish(func(s *status.Status) { s.VIPs[0].State, s.VIPs[0].Why = status.Failed, motion })
		p.shows("#vip-rows", motion)
		var moves bool
		p.eval(`began + document.getAnimations().length > 0`, &moves)
		if moves != want {
			t.Errorf("%s: moves: %v", motion, moves)
		}
		d.publish(func(s *status.Status) { s.VIPs[0].State = status.Pending })
	}
}
