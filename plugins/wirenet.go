package plugins

import (
	"fmt"

	"github.com/stentor-net/stentor/plugins/internal/wire"
	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

func severities() map[Severity]pb.Severity {
	return map[Severity]pb.Severity{
		SeverityProblem: pb.Severity_SEVERITY_PROBLEM,
		SeverityWarning: pb.Severity_SEVERITY_WARNING,
		SeverityNote:    pb.Severity_SEVERITY_NOTE,
	}
}

func vipToWire(v VIP) *pb.VIP {
	return &pb.VIP{Name: wire.Text(v.Name), Address: wire.Addr(v.Addr), Link: wire.Text(v.Link)}
}

func vipFromWire(r *wire.Reader, v *pb.VIP) VIP {
	return VIP{Name: v.GetName(), Addr: r.Addr("address of vip "+v.GetName(), v.GetAddress()), Link: v.GetLink()}
}

func vipsToWire(all []VIP) []*pb.VIP { return wire.Map(all, vipToWire) }

func vipsFromWire(all []*pb.VIP) ([]VIP, error) {
	r := &wire.Reader{}
	return wire.Map(all, func(v *pb.VIP) VIP { return vipFromWire(r, v) }), r.Err()
}

func vipStatesToWire(all []VIPState) []*pb.VIPState {
	return wire.Map(all, func(v VIPState) *pb.VIPState {
		return &pb.VIPState{Vip: vipToWire(v.VIP), OnHost: v.OnHost, Adopted: v.Adopted, Drift: wire.Text(v.Drift)}
	})
}

func vipStatesFromWire(all []*pb.VIPState) ([]VIPState, error) {
	r := &wire.Reader{}
	return wire.Map(all, func(v *pb.VIPState) VIPState {
		return VIPState{VIP: vipFromWire(r, v.GetVip()), OnHost: v.GetOnHost(), Adopted: v.GetAdopted(), Drift: v.GetDrift()}
	}), r.Err()
}

func findingsToWire(all []Finding) []*pb.Finding {
	return wire.Map(all, func(f Finding) *pb.Finding {
		return &pb.Finding{
			Code: wire.Text(string(f.Code)), Severity: severities()[f.Severity], Object: wire.Text(f.Object), Path: wire.Text(f.Path), Line: wire.Uint32(f.Line),
			Message: wire.Text(f.Message), Hint: wire.Text(f.Hint),
		}
	})
}

func findingsFromWire(all []*pb.Finding) ([]Finding, error) {
	r := &wire.Reader{}
	return wire.Map(all, func(f *pb.Finding) Finding {
		severity, err := word(severities(), f.GetSeverity())
		if err != nil {
			r.Fail(fmt.Sprintf("severity of %q", f.GetMessage()), err)
		}
		return Finding{
			Code: Code(f.GetCode()), Severity: severity, Object: f.GetObject(), Path: f.GetPath(), Line: int(f.GetLine()),
			Message: f.GetMessage(), Hint: f.GetHint(),
		}
	}), r.Err()
}
