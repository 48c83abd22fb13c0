package wire

import "encoding/binary"

// Subtypes of a ROUTE-REFRESH (RFC 7313 §3.2).
const (
	RefreshRequest = 0
	RefreshBegin   = 1
	RefreshEnd     = 2
)

// Refresh is a ROUTE-REFRESH message (RFC 2918 §3).
type Refresh struct {
	Family  Family
	SAFI    uint8
	Subtype uint8
}

// Asks reports whether it wants everything sent again.
func (r Refresh) Asks() bool { return r.Subtype == RefreshRequest && r.SAFI == safiUnicast }

// DecodeRefresh reads the body of a ROUTE-REFRESH. enhanced: both sides said
// that they know RFC 7313, which makes other lengths an error.
func DecodeRefresh(body []byte, enhanced bool) (Refresh, error) {
	r := Refresh{Family: Family(binary.BigEndian.Uint16(body)), Subtype: body[2], SAFI: body[3]}
	if enhanced && len(body) != 4 && r.Subtype <= RefreshEnd {
		return r, fault(RefreshError, InvalidRefreshLength, nil, "a ROUTE-REFRESH of %d bytes", headerLen+len(body))
	}
	return r, nil
}

// AppendRefresh appends a ROUTE-REFRESH.
func AppendRefresh(b []byte, f Family, subtype uint8) []byte {
	b, start := begin(b, TypeRouteRefresh)
	b = append(b, 0, byte(f), subtype, safiUnicast)
	return end(b, start)
}
