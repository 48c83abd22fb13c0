package health

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// DNS asks a name server.
type DNS struct {
	Addr   string // host:port
	Query  string // the name
	Type   string // of the record: "A", "SOA" ...
	RCode  string // which the answer shall have: "NOERROR", "NXDOMAIN" ...
	Answer string // what one record of that type shall say; empty: any answer
}

// Kind is "dns".
func (DNS) Kind() string { return "dns" }

// Target is the question and the server.
func (p DNS) Target() string { return p.Query + " " + p.Type + " @" + p.Addr }

// KnownType and KnownRCode tell whether there is such a word.
func KnownType(s string) bool { _, ok := dns.StringToType[s]; return ok }

// KnownRCode tells whether there is such a response code.
func KnownRCode(s string) bool { _, ok := dns.StringToRcode[s]; return ok }

// KnownName tells whether s is a domain name.
func KnownName(s string) bool { _, ok := dns.IsDomainName(s); return ok }

func (p DNS) prepare(*shared) (ask, error) {
	question := dns.Question{Name: dns.Fqdn(p.Query), Qtype: dns.StringToType[p.Type], Qclass: dns.ClassINET}
	return func(ctx context.Context) result { return p.ask(ctx, question) }, nil
}

func (p DNS) ask(ctx context.Context, question dns.Question) result {
	m := &dns.Msg{Question: []dns.Question{question}}
	m.Id, m.RecursionDesired = dns.Id(), true
	reply, _, err := new(dns.Client).ExchangeContext(ctx, m, p.Addr)
	if err == nil && reply.Truncated { // RFC 7766 §5
		reply, _, err = (&dns.Client{Net: "tcp"}).ExchangeContext(ctx, m, p.Addr)
	}
	if err != nil {
		return failed(ctx, err, "")
	}
	code := dns.RcodeToString[reply.Rcode]
	switch {
	case len(reply.Question) != 1 || !strings.EqualFold(reply.Question[0].Name, question.Name) || reply.Question[0].Qtype != question.Qtype:
		return bad("the answer is to another question")
	case code != p.RCode:
		return bad(fmt.Sprintf("%s, not %s", code, p.RCode))
	}
	var records []string
	for _, rr := range reply.Answer {
		if rr.Header().Rrtype == question.Qtype {
			records = append(records, strings.TrimPrefix(rr.String(), rr.Header().String()))
		}
	}
	output := code
	if len(records) > 0 {
		output += ": " + strings.Join(records, ", ")
	}
	for _, r := range records {
		if sameRecord(r, p.Answer) {
			return good(output)
		}
	}
	if p.Answer != "" {
		return bad(fmt.Sprintf("%s, and no %s", output, p.Answer))
	}
	return good(output)
}

// sameRecord compares what a record says with what a person wrote: addresses in
// any spelling, names with or without their last dot, texts without quotes.
func sameRecord(got, want string) bool {
	a, err := netip.ParseAddr(got)
	if b, err2 := netip.ParseAddr(want); err == nil && err2 == nil {
		return a == b
	}
	plain := func(s string) string { return strings.TrimSuffix(strings.ReplaceAll(s, `"`, ""), ".") }
	return strings.EqualFold(plain(got), plain(want))
}
