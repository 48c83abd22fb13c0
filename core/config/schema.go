package config

import (
	"time"

	"github.com/stentor-net/stentor/core/provider"
	"github.com/stentor-net/stentor/plugins"
)

// spec says what a table can hold.
type spec struct {
	keys map[string]reader
	subs map[string]*spec
	// Tables or keys whose names the admin chooses:
	each    *spec
	eachKey reader
	example string // such a name, for messages
	// opaque: whatever stands here is for somebody else.
	opaque bool
}

// schema is the whole config.
func schema() *spec {
	return &spec{subs: map[string]*spec{
		"network": {keys: map[string]reader{
			"backend":   text("auto", name),
			"link":      text("lo", link),
			"hold_down": duration{lo: 0, hi: time.Minute}.read,
		}},
		"bgp": {
			keys: with(session(), map[string]reader{
				"backend":       text("native", name),
				"provider":      oneOf(provider.Names()...),
				"dcid":          integer(1, 9999),
				"region":        text("eu-central", anyText),
				"asn":           asn,
				"router_id":     text("192.0.2.7", routerID),
				"on_exit":       oneOf(OnExitWithdraw, OnExitDrain, OnExitKeep),
				"on_restart":    oneOf(OnRestartStop, OnRestartKeep),
				"drain_address": oneOf(drainKeep, drainRemove),
				"drain_grace":   duration{lo: 0, hi: time.Hour}.read,
			}),
			subs: map[string]*spec{
				"bfd":    bfd(),
				"tcp_ao": tcpAO(),
				"role": {subs: map[string]*spec{
					string(Primary):   {keys: attributes()},
					string(Secondary): {keys: attributes()},
					roleDemoted:       {keys: attributes()},
				}},
				"peer": {example: "tor1", each: &spec{
					keys: with(session(), map[string]reader{
						"address": text("192.0.2.1", anyAddress),
						"asn":     asn,
					}),
					subs: map[string]*spec{"bfd": bfd(), "tcp_ao": tcpAO()},
				}},
			},
		},
		"vip": {example: "web", each: &spec{keys: with(attributes(), map[string]reader{
			"address":        text("203.0.113.10/32", parseVIP),
			"role":           oneOf(Primary, Secondary),
			"link":           text("lo", link),
			"next_hop":       text("192.0.2.7", nextHop),
			"peers":          list[string](256, text("tor1", name)),
			"on_unhealthy":   oneOf(UnhealthyWithdraw, UnhealthyDemote),
			"recovery_delay": duration{lo: 0, hi: 24 * time.Hour}.read,
			"start_delay":    duration{lo: 0, hi: time.Hour}.read,
			"min_announce":   duration{lo: 0, hi: 24 * time.Hour}.read,
			"preempt":        truth,
			"checks":         list[string](256, text("dns", name)),
			"require":        requirement,
		}), subs: map[string]*spec{"check": {example: "https", each: check()}}}},
		"check":   {example: "dns", each: check()},
		"damping": {keys: damping()},
		"http":    {keys: map[string]reader{"listen": text("127.0.0.1:9600", listenAddress)}},
		"plugins": {keys: map[string]reader{"require_pin": truth}},
		"hook":    {example: "chat", each: hook()},
		"history": {keys: map[string]reader{"max_size": text("4MiB", size)}},
		"backend": {example: "native", each: &spec{opaque: true}},
		"provider": {subs: map[string]*spec{
			"linode": {subs: map[string]*spec{"regions": {example: "de-fra-2", eachKey: integer(1, 9999)}}},
		}},
	}}
}

// session are the options of [bgp], for all peers, and of [bgp.peer.NAME].
func session() map[string]reader {
	const longest = 65535 * time.Second // 16 bits (RFC 4271 §4.2)
	return map[string]reader{
		"hold_time":     duration{lo: 3 * time.Second, hi: longest, seconds: true, off: true}.read,
		"keepalive":     duration{lo: time.Second, hi: longest / 3, seconds: true}.read,
		"connect_retry": duration{lo: time.Second, hi: longest, seconds: true}.read,
		"ttl":           integer(1, 255),
		"ttl_security":  integer(0, 254),
		"local_address": text("192.0.2.7", anyAddress),
		"password_file": text("/etc/stentor/tor1.key", absolute),
		// 12 bits (RFC 4724 §3).
		"graceful_restart": duration{lo: time.Second, hi: 4095 * time.Second, seconds: true, off: true}.read,
	}
}

// bfd are the timers of [bgp.bfd] and [bgp.peer.NAME.bfd].
func bfd() *spec {
	return &spec{keys: map[string]reader{
		"tx":            duration{lo: 10 * time.Millisecond, hi: time.Minute}.read,
		"rx":            duration{lo: 10 * time.Millisecond, hi: time.Minute}.read,
		"multiplier":    integer(1, 255),
		"auth":          oneOf(bfdKeyed, bfdMeticulous),
		"password_file": text("/etc/stentor/bfd.key", absolute),
		"key_id":        integer(0, 255),
	}}
}

// tcpAO is the key of [bgp.tcp_ao] and [bgp.peer.NAME.tcp_ao].
func tcpAO() *spec {
	return &spec{keys: map[string]reader{
		"key_file":   text("/etc/stentor/tor1.ao", absolute),
		"send_id":    integer(0, 255),
		"receive_id": integer(0, 255),
		"algorithm":  oneOf(plugins.AOHMACSHA1, plugins.AOAESCMAC),
	}}
}

// damping are the parameters of [damping].
func damping() map[string]reader {
	return map[string]reader{
		"penalty":      integer(1, maxPenalty),
		"suppress":     integer(1, maxPenalty),
		"reuse":        integer(1, maxPenalty),
		"half_life":    duration{lo: time.Second, hi: 24 * time.Hour}.read,
		"max_suppress": duration{lo: time.Second, hi: 24 * time.Hour}.read,
	}
}

// attributes are the path attributes of a role or a VIP. The arrays are short
// enough for an UPDATE of 4096 bytes (RFC 4271 §4).
func attributes() map[string]reader {
	return map[string]reader{
		"communities":       list[plugins.Community](64, text("65000:1", community)),
		"large_communities": list[plugins.LargeCommunity](64, text("65000:1:2", largeCommunity)),
		"med":               integer[uint32](0, 4294967295),
		"local_pref":        integer[uint32](0, 4294967295),
		"prepend":           integer(0, 32),
	}
}

func with(keys, more map[string]reader) map[string]reader {
	for k, r := range more {
		keys[k] = r
	}
	return keys
}

func anyText(s string) (string, *mistake) { return s, nil }
