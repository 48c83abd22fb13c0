"use strict";

// Everything that is shown is text from elsewhere (a check's output, a peer's
// last words), so it only ever becomes the text of a node.

const $ = (id) => document.getElementById(id);

// set touches the document only where it differs: a screen reader, a selection
// and the layout are left alone by what stays the same.
function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function attr(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// tones tell what a state is worth.
const tones = {
  announced: "ok", up: "ok", established: "ok", ok: "ok", running: "ok", started: "ok",
  pending: "wait", unknown: "wait", connect: "wait", active: "wait", opensent: "wait", openconfirm: "wait",
  withdrawn: "warn", demoted: "warn", broken: "warn", stopped: "off", gone: "off",
  failed: "bad", down: "bad", idle: "bad", problem: "bad", drained: "drain", draining: "drain",
};

function pill(node, word, tone = tones[word] || "off") {
  set(node, word);
  attr(node, "data-tone", tone);
}

// Ages follow the daemon's clock, which need not be that of this machine.
let skew = 0; // milliseconds that the daemon's clock is ahead
const now = () => Date.now() + skew;

function age(ms) {
  const m = Math.floor(ms / 60000), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (m < 1) return "<1m";
  if (h < 1) return m + "m";
  if (d < 2) return h + "h" + String(m % 60).padStart(2, "0") + "m";
  return d + "d" + String(h % 24).padStart(2, "0") + "h";
}

const never = (t) => !t || t.startsWith("0001-");
const format = (options) => { // making a formatter takes long, using it does not
  const f = new Intl.DateTimeFormat([], options);
  return (t) => f.format(new Date(t));
};
const clock = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = format({ month: "short", day: "numeric" });
const moment = format({ dateStyle: "medium", timeStyle: "medium" });

// since makes node tell how long ago t was, from now on.
function since(node, t) {
  if (never(t)) {
    node.removeAttribute("datetime");
    set(node, "");
    return;
  }
  if (node.dateTime !== t) {
    node.dateTime = t;
    node.title = "since " + moment(t);
  }
  set(node, age(now() - Date.parse(t)));
}

function refreshAges() {
  for (const node of document.querySelectorAll("time[data-f=since][datetime]")) set(node, age(now() - Date.parse(node.dateTime)));
}

// A List holds one element for each item, by its key, in the items' order.
class List {
  constructor(body, template, key) {
    this.body = $(body);
    this.template = $(template).content.firstElementChild;
    this.key = key;
    this.rows = new Map();
  }

  // update fills a row for each item, and touches those alone that differ. fill
  // says whether an eye should be drawn to it.
  update(items, fill) {
    const keys = new Set(items.map(this.key)), news = [];
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue;
      row.node.remove();
      this.rows.delete(key);
    }
    let at = this.body.firstElementChild;
    for (const item of items) {
      const row = this.row(this.key(item));
      if (fill(row, item) && !row.fresh) news.push(row.node);
      row.words = Object.values(item).join(" ").toLowerCase();
      const node = row.node;
      if (at && at.nextElementSibling === node) at = node; // the one before it has moved on, and is placed later
      if (node === at) at = node.nextElementSibling;
      else this.body.insertBefore(node, at);
      row.fresh = false;
    }
    flash(news);
  }

  row(key) {
    let row = this.rows.get(key);
    if (!row) {
      const node = this.template.cloneNode(true);
      row = { node, f: {}, fresh: true };
      for (const field of node.querySelectorAll("[data-f]")) row.f[field.dataset.f] = field;
      this.rows.set(key, row);
    }
    return row;
  }

  // filter hides what lacks one of the words, and counts what is left.
  filter(words) {
    let shown = 0;
    for (const row of this.rows.values()) {
      const hide = !words.every((w) => row.words.includes(w));
      if (row.node.hidden !== hide) row.node.hidden = hide;
      if (!hide) shown++;
    }
    return shown;
  }
}

// flash draws the eye to nodes for a moment, where motion is welcome and they
// are few enough to look at.
const still = matchMedia("(prefers-reduced-motion: reduce)");
function flash(nodes) {
  if (still.matches || nodes.length > 20) return;
  for (const node of nodes)
    for (const cell of node.children) cell.animate([{ background: "color-mix(in srgb, var(--focus) 18%, transparent)" }, {}], 2500);
}

// spark draws results as bars, the newest at the right: good ones above the
// line, bad ones below it, and hollow ones on it where the check did not run.
function spark(svg, recent) {
  const last = recent.slice(-30), step = 4;
  if (svg.recent === last) return;
  svg.recent = last;
  const paths = { "+": "", "-": "", "!": "" }, count = { "+": 0, "-": 0, "!": 0 };
  [...last].forEach((r, i) => {
    const x = 120 - (last.length - i) * step;
    count[r]++;
    paths[r] += r === "+" ? `M${x} 1h3v7h-3z` : r === "-" ? `M${x} 10h3v7h-3z` : `M${x + .5} 6.5h2v5h-2z`;
  });
  attr(svg.querySelector(".good"), "d", paths["+"]);
  attr(svg.querySelector(".bad"), "d", paths["-"]);
  attr(svg.querySelector(".notrun"), "d", paths["!"]);
  attr(svg, "aria-label", last ? `of the last ${last.length} results ${count["+"]} good, ${count["-"]} bad` + (count["!"] ? `, ${count["!"]} could not run` : "") : "no result yet");
}
