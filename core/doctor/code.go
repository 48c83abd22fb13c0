package doctor

import "github.com/stentor-net/stentor/plugins"

// Code names a kind of finding. contrib/docs/checks-of-the-host.md tells what
// each means; none is ever used for something else.
type Code = plugins.Code

// Of links and of the kernel's parameters.
const (
	CodeLinkMissing  Code = "link-missing"
	CodeLinkDown     Code = "link-down"
	CodeNoIPv6       Code = "no-ipv6"
	CodeIPv6Disabled Code = "ipv6-disabled"
	CodeRPFilter     Code = "rp-filter"
	CodeARPIgnore    Code = "arp-ignore"
	CodeARPAnnounce  Code = "arp-announce"
	CodeNonlocalBind Code = "nonlocal-bind"
	CodeAcceptLocal  Code = "accept-local"
	CodeAcceptRA     Code = "accept-ra"
	CodeSysctlAtBoot Code = "sysctl-at-boot"
)

// Of where the shared IPs stand.
const (
	CodeLinkIsUplink Code = "link-is-uplink"
	CodeWrongLink    Code = "wrong-link"
	CodeWidePrefix   Code = "wide-prefix"
	CodeOwnAddress   Code = "own-address"
	CodeDynamic      Code = "dynamic-address"
	CodeNotUsable    Code = "duplicate-address"
	CodeSecondary    Code = "secondary-address"
	CodeCoversOwn    Code = "covers-own-address"
	CodeOnLink       Code = "on-link"
	CodeHostSource   Code = "shared-source"
	CodeCopy         Code = "second-owner"
	CodeCloudInit    Code = "cloud-init"
)

// Of the way to the peers, and the sessions.
const (
	CodeNoRoute         Code = "no-route"
	CodeRouteUnknown    Code = "route-unknown"
	CodePeerIsLocal     Code = "peer-is-local"
	CodeGatewayShared   Code = "gateway-is-shared"
	CodeTTL             Code = "ttl"
	CodeLocalAddress    Code = "local-address"
	CodeSessionSource   Code = "session-source-shared"
	CodeNoSource        Code = "no-source"
	CodeLinkLocalSource Code = "link-local-source"
	CodeTemporarySource Code = "temporary-source"
	CodeMTU             Code = "mtu"
	CodeHoldZero        Code = "hold-zero"
	CodeHoldShort       Code = "hold-short"
	CodeHoldLong        Code = "hold-long"
	CodeRouterIDDerived Code = "router-id-derived"
	CodeRouterIDForeign Code = "router-id-foreign"
	CodeFirewall        Code = "firewall"
	CodeMD5Missing      Code = "md5-missing"
	CodeMD5Refused      Code = "md5-refused"
	CodeAOMissing       Code = "ao-missing"
)

// Of other programs on the host.
const (
	CodeLelastic      Code = "lelastic"
	CodeSpeaker       Code = "other-speaker"
	CodeForeignRoutes Code = "foreign-routes"
	CodeNeedrestart   Code = "needrestart"
	CodeResolver      Code = "resolver"
)

// Of the cloud.
const (
	CodeProvider  Code = "provider"
	CodeRegion    Code = "region"
	CodeASN       Code = "asn"
	CodeNotShared Code = "not-shared"
)

// Of what Stentor itself runs on.
const (
	CodeNetAdmin     Code = "net-admin"
	CodeLandlock     Code = "landlock"
	CodeClock        Code = "clock"
	CodeUnitDisabled Code = "unit-disabled"
	CodeUnitSandbox  Code = "unit-sandbox"
	CodeNetwork      Code = "network-backend"
	CodeBGP          Code = "bgp-backend"
	// CodeStack is that of a network backend's finding that names none.
	CodeStack Code = "stack"
)
