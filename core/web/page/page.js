const vips = new List("vip-rows", "vip-row", (v) => v.name);
const peers = new List("peer-rows", "peer-row", (p) => p.name);
const checks = new List("check-rows", "check-row", (c) => c.name);
const problems = new List("problem-list", "problem-row", (p) => p.object + " " + p.message);
const events = new List("event-list", "event-row", (e) => e.seq);
const maxEvents = 100;

let status = null; // the newest snapshot
let timeline = []; // newest first
let heard = 0; // when the daemon was last heard, by its own clock

// ---- what is shown -------------------------------------------------------

const partly = (v) => v.state === "announced" && v.announced_to.length < v.peers;
const amiss = (v) => v.state !== "drained" && (v.state !== "announced" || partly(v));
const rank = { failed: 0, withdrawn: 1, pending: 2, announced: 4, drained: 5 };
const order = (v) => (partly(v) ? 3 : rank[v.state] ?? 3);
const count = (n, one, many = one + "s") => n + " " + (n === 1 ? one : many);

function show(s) {
  for (const list of ["vips", "peers", "checks", "problems"]) s[list] ||= []; // empty ones may be left out
  for (const v of s.vips) v.announced_to ||= [];
  const before = status && new Map(status.vips.map((v) => [v.name, v.state]));
  if (status && status.version !== s.version) location.reload(); // the page comes with the daemon
  status = s;
  vips.update([...s.vips].sort((a, b) => order(a) - order(b) || (a.name < b.name ? -1 : 1)), showVIP);
  peers.update(s.peers, showPeer);
  checks.update(s.checks, showCheck);
  problems.update(s.problems, showProblem);
  set($("vips-count"), tally(s.vips));
  set($("peers-count"), `of AS${s.bgp.asn}, router id ${s.bgp.router_id}, by ${s.bgp.backend}`);
  set($("checks-count"), tally(s.checks));
  $("vips-none").hidden = s.vips.length > 0;
  $("peers-none").hidden = s.peers.length > 0;
  $("checks").hidden = $("checks-link").hidden = !s.checks.length;
  $("problems").hidden = s.problems.length === 0;
  $("trial").hidden = never(s.confirm_by);
  if (!never(s.confirm_by)) set($("trial"), `This config is on trial: it is rolled back at ${clock(s.confirm_by)} unless somebody runs: stentor confirm`);
  set($("about"), `Stentor ${s.version}, running for ${age(now() - Date.parse(s.since))}. Addresses by ${s.network.backend}${s.network.why ? ": " + s.network.why : ""}.`);
  verdict(s);
  filter();
  if (before) tell(s.vips.filter((v) => before.get(v.name) !== v.state));
}

function showVIP(row, v) {
  const f = row.f, was = f.state.textContent;
  const word = v.state === "announced" && v.demoted ? "demoted" : v.state;
  pill(f.state, word, partly(v) ? "warn" : undefined);
  attr(row.node, "data-tone", f.state.dataset.tone);
  set(f.name, v.name);
  set(f.address, v.announce === v.address ? v.announce : `${v.announce} (${v.address.split("/")[0]})`);
  set(f.why, v.why);
  const notes = [];
  if (v.adopted) notes.push("adopted: something else puts it on this host");
  if (v.penalty) notes.push(`penalty ${v.penalty} for flapping`);
  if (!never(v.next)) notes.push(`changes by itself at ${clock(v.next)}`);
  set(f.note, notes.join("; "));
  set(f.role, v.role);
  set(f.told, `${v.announced_to.length}/${v.peers} peers`);
  since(f.since, v.since);
  return was !== word;
}

function showPeer(row, p) {
  const f = row.f, was = f.state.textContent;
  pill(f.state, p.state, p.state !== "established" && p.last_error ? "bad" : undefined);
  attr(row.node, "data-tone", f.state.dataset.tone);
  set(f.name, p.name);
  set(f.address, p.address);
  set(f.asn, `AS${p.asn}`);
  set(f.told, count(p.announced, "route"));
  set(f.why, p.state === "established" ? "" : p.last_error);
  since(f.since, p.since);
  return was !== p.state;
}

function showCheck(row, c) {
  const f = row.f, was = f.state.textContent;
  pill(f.state, c.state);
  attr(row.node, "data-tone", f.state.dataset.tone);
  set(f.name, c.name);
  set(f.target, c.target.startsWith(c.kind) ? c.target : `${c.kind} ${c.target}`);
  set(f.output, c.output);
  spark(f.spark, c.recent);
  set(f.took, never(c.at) || c.state === "broken" ? "" : `${c.took_ms < 10 ? c.took_ms.toFixed(1) : Math.round(c.took_ms)} ms`);
  since(f.since, c.since);
  return was !== c.state;
}

function showProblem(row, p) {
  set(row.f.object, p.object);
  set(row.f.message, p.message);
  set(row.f.hint, p.hint);
  since(row.f.since, p.since);
}

function showEvent(row, e) {
  if (!row.fresh) return; // what happened does not change
  const f = row.f, [word, ...rest] = e.to ? e.to.split(" ") : ["gone"];
  const today = day(e.time) === day(now());
  set(f.at, (today ? "" : day(e.time) + "\n") + clock(e.time));
  f.at.dateTime = e.time;
  set(f.object, e.object);
  const told = /(\d+)\/(\d+) peers/.exec(e.to);
  pill(f.state, word.replace(/,$/, ""), word === "announced" && told && +told[1] < +told[2] ? "warn" : undefined);
  set(f.detail, rest.join(" ") + (e.from ? `${rest.length ? ", " : ""}was ${e.from}` : ""));
  set(f.why, e.why);
  set(f.output, e.output || "");
}

// tally says how many are in which state.
function tally(items) {
  const states = {};
  for (const i of items) states[i.state] = (states[i.state] || 0) + 1;
  return Object.entries(states).sort((a, b) => b[1] - a[1]).map(([s, n]) => `${n} ${s}`).join(", ");
}

function verdict(s) {
  const bad = s.vips.filter(amiss).length, drained = s.vips.filter((v) => v.state === "drained").length;
  const told = s.vips.filter((v) => v.state === "announced").length, n = s.vips.length;
  let line, tone = "ok";
  if (bad) [line, tone] = [n === 1 ? "The VIP is not as configured" : `${bad} of ${n} VIPs ${bad === 1 ? "is" : "are"} not as configured`, "bad"];
  else if (s.problems.length) [line, tone] = [count(s.problems.length, "problem"), "warn"];
  else if (drained) [line, tone] = [`${told} of ${count(n, "VIP")} announced, ${drained} drained on purpose`, "drain"];
  else line = n === 1 ? "The VIP is announced to all its peers" : `All ${n} VIPs are announced to all their peers`;
  if (!n) line = "No VIP is configured";
  set($("headline"), line);
  attr($("verdict"), "data-tone", tone);
  const up = s.peers.filter((p) => p.state === "established").length;
  set($("subline"), `${told} of ${count(n, "VIP")} announced, ${up} of ${count(s.peers.length, "session")} established` + (s.problems.length ? `, ${count(s.problems.length, "problem")}` : ""));
  set($("problems-title"), count(s.problems.length, "problem"));
  icon(tone);
}

// icon has the tab tell the state: its title, and a shape.
function icon(tone) {
  const host = $("host").textContent;
  const title = `${{ ok: "✓", drain: "✓", lost: "?" }[tone] || "!"} ${host ? host + " – " : ""}Stentor`;
  if (document.title !== title) document.title = title;
  const shape = { ok: "%3Ccircle cx='8' cy='8' r='6' fill='%2318a058'/%3E", lost: "%3Ccircle cx='8' cy='8' r='5' fill='none' stroke='%23888' stroke-width='3'/%3E", drain: "%3Cpath d='M3 2h4v12H3zM9 2h4v12H9z' fill='%237c5cff'/%3E" };
  attr($("icon"), "href", "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" + (shape[tone] || "%3Cpath d='M8 1l7 13H1z' fill='%23e5484d'/%3E") + "%3C/svg%3E");
}

// tell says changes to who does not see them.
function tell(changed) {
  if (!changed.length) return;
  const said = changed.slice(0, 3).map((v) => `${v.name} is ${v.state}` + (v.why ? `: ${v.why}` : ""));
  if (changed.length > 3) said.push(`and ${changed.length - 3} more`);
  set($("said"), said.join(". "));
}

// ---- the filter ----------------------------------------------------------

function filter() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = vips.filter(words) + peers.filter(words) + checks.filter(words);
  events.filter(words);
  set($("matches"), words.length ? count(shown, "match", "matches") : "");
}

$("filter").addEventListener("input", filter);
document.addEventListener("keydown", (e) => {
  const box = $("filter");
  if (e.key === "/" && document.activeElement !== box && !e.ctrlKey && !e.metaKey && !e.altKey) {
    e.preventDefault();
    box.focus();
  } else if (e.key === "Escape" && document.activeElement === box) {
    box.value = "";
    filter();
  }
});

// ---- the stream ----------------------------------------------------------

const silence = 15000; // three heartbeats
let source, watchdog, again;

function connect() {
  clearTimeout(again);
  if (source) source.close();
  source = new EventSource("v1/events");
  const on = (name, take) => source.addEventListener(name, (e) => {
    alive();
    take(JSON.parse(e.data));
  });
  on("beat", (b) => {
    skew = Date.parse(b.now) - Date.now();
    heard = now();
    set($("host"), b.host);
    refreshAges();
  });
  on("status", (s) => {
    heard = now();
    show(s);
  });
  on("history", (list) => {
    const known = timeline.length ? timeline[0].seq : 0;
    timeline = [...list.filter((e) => e.seq > known).reverse(), ...timeline].slice(0, maxEvents);
    events.update(timeline, showEvent);
    $("events-none").hidden = timeline.length > 0;
    filter();
  });
  source.onerror = lost;
  wait();
}

function wait() {
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, silence);
}

function alive() {
  wait();
  pillLink("live", "ok");
  document.body.classList.remove("lost");
}

// lost keeps what was there, says how old it is, and tries again by itself:
// a browser gives up on a stream that is refused once.
function lost() {
  clearTimeout(watchdog);
  clearTimeout(again);
  source.close();
  pillLink(heard ? `connection lost, showing the state of ${clock(heard)}` : "the daemon does not answer, trying on", "bad");
  document.body.classList.toggle("lost", heard > 0);
  icon("lost");
  again = setTimeout(connect, 1000 + Math.random() * 1000);
}

function pillLink(text, tone) {
  set($("link"), text);
  attr($("link"), "data-tone", tone);
}

setInterval(refreshAges, 10000);
connect();
