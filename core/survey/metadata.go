package survey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/provider"
)

const (
	// metadataTime is how long the metadata service may take, for all questions.
	metadataTime = time.Second
	// metadataMax is the most that is read of one answer, in bytes.
	metadataMax = 64 << 10
)

// Metadata asks the metadata service of a cloud, which is on the link alone
// (RFC 3927).
type Metadata struct {
	Base   string // http://169.254.169.254
	Client *http.Client
}

// LinkLocalMetadata asks where Linode and Vultr have their services. No proxy
// and no redirect may lead elsewhere.
func LinkLocalMetadata() *Metadata {
	return &Metadata{Base: "http://169.254.169.254", Client: &http.Client{
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true, ResponseHeaderTimeout: metadataTime, MaxResponseHeaderBytes: metadataMax},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask adds what the service says to f. What came before an error stays.
func (m *Metadata) ask(ctx context.Context, f *Facts) error {
	ctx, cancel := context.WithTimeout(ctx, metadataTime)
	defer cancel()
	if f.Provider == "vultr" {
		return m.vultr(ctx, f)
	}
	return m.linode(ctx, f)
}

// linode: a token, then the instance, then its addresses.
func (m *Metadata) linode(ctx context.Context, f *Facts) error {
	b, err := m.get(ctx, http.MethodPut, "/v1/token", "Metadata-Token-Expiry-Seconds", "60")
	if err != nil {
		return err
	}
	token, err := linodeToken(b)
	if err != nil {
		return err
	}
	if b, err = m.get(ctx, http.MethodGet, "/v1/instance", "Metadata-Token", token); err != nil {
		return err
	}
	if f.Region, err = linodeRegion(b); err != nil {
		return err
	}
	if b, err = m.get(ctx, http.MethodGet, "/v1/network", "Metadata-Token", token); err != nil {
		return err
	}
	shared, given, err := linodeAddresses(b)
	f.Given = given
	known, _ := provider.Lookup(f.Provider)
	for _, p := range shared {
		if slices.Contains(known.Lengths(p.Addr()), p.Bits()) {
			f.add(p, "the metadata service calls it shared")
		}
	}
	return err
}

func (m *Metadata) vultr(ctx context.Context, f *Facts) error {
	b, err := m.get(ctx, http.MethodGet, "/v1.json", "", "")
	if err != nil {
		return err
	}
	f.ASN, f.Peers, err = vultrBGP(b)
	return err
}

func (m *Metadata) get(ctx context.Context, method, path, header, value string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, m.Base+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	if header != "" {
		r.Header.Set(header, value)
	}
	answer, err := m.Client.Do(r)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("no answer within %s", metadataTime)
	} else if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s", method, path, strconv.Quote(answer.Status))
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, metadataMax+1))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%s: the answer took longer than %s", path, metadataTime)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case len(b) > metadataMax:
		return nil, fmt.Errorf("%s: the answer is larger than %d bytes", path, metadataMax)
	}
	return b, nil
}

// linodeToken reads an array of one string. It goes into a header.
func linodeToken(b []byte) (string, error) {
	var list []string
	if err := json.Unmarshal(b, &list); err != nil || len(list) != 1 {
		return "", errors.New("/v1/token: the answer is no token")
	}
	for _, c := range list[0] {
		if c <= ' ' || c > '~' {
			return "", errors.New("/v1/token: the answer is no token")
		}
	}
	return list[0], nil
}

func linodeRegion(b []byte) (string, error) {
	var instance struct{ Region string }
	if err := json.Unmarshal(b, &instance); err != nil {
		return "", fmt.Errorf("/v1/instance: %w", err)
	}
	for _, c := range instance.Region {
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') || len(instance.Region) > 32 {
			return "", fmt.Errorf("/v1/instance: %.40q is no region", instance.Region)
		}
	}
	return instance.Region, nil
}

// linodeAddresses gives the shared addresses and ranges, and all that the
// service names. It says shared, its guide elastic.
func linodeAddresses(b []byte) (shared, given []netip.Prefix, err error) {
	var network struct {
		IPv4 struct{ Public, Private, Shared, Elastic []string }
		IPv6 struct {
			Ranges   []string
			Shared   []string `json:"shared_ranges"`
			Elastic  []string `json:"elastic_ranges"`
			Elastic2 []string `json:"elastic-ranges"`
		}
	}
	if err := json.Unmarshal(b, &network); err != nil {
		return nil, nil, fmt.Errorf("/v1/network: %w", err)
	}
	shared, err = prefixes(network.IPv4.Shared, network.IPv4.Elastic, network.IPv6.Shared, network.IPv6.Elastic, network.IPv6.Elastic2)
	if err != nil {
		return shared, nil, err
	}
	own, err := prefixes(network.IPv4.Public, network.IPv4.Private, network.IPv6.Ranges)
	return shared, slices.Concat(own, shared), err
}

// prefixes reads addresses with and without a length.
func prefixes(lists ...[]string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range slices.Concat(lists...) {
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); err != nil && aerr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return all, fmt.Errorf("/v1/network: %.60q is no address", text)
		}
		all = append(all, p)
	}
	return all, nil
}

// vultrBGP reads what Vultr says of its sessions; it is empty where BGP is not
// switched on.
func vultrBGP(b []byte) (asn uint32, peers []Peer, err error) {
	type session struct {
		MyASN  number `json:"my-asn"`
		Peer   string `json:"peer-address"`
		TheASN number `json:"peer-asn"`
	}
	var answer struct {
		BGP struct{ IPv4, IPv6 session }
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return 0, nil, fmt.Errorf("/v1.json: %w", err)
	}
	for name, s := range map[string]session{"vultr4": answer.BGP.IPv4, "vultr6": answer.BGP.IPv6} {
		a, err := netip.ParseAddr(s.Peer)
		if err != nil || a.Zone() != "" || s.TheASN == 0 {
			continue
		}
		peers = append(peers, Peer{name, a, uint32(s.TheASN)})
		asn = max(asn, uint32(s.MyASN))
	}
	return asn, peers, nil
}

// number is written as a number or as a string; what is neither is 0.
type number uint32

func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseUint(strings.Trim(string(b), `"`), 10, 32)
	if err == nil {
		*n = number(v)
	}
	return nil
}
