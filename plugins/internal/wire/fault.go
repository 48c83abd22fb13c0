package wire

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

// maxFault is how much of an error's text crosses, in bytes: a status travels
// in headers, twice. MaxHeaders holds it as percent-encoding swells it.
const (
	maxFault   = 32 << 10
	MaxHeaders = 512 << 10
)

// Fault is an error as it crosses: its text, and what it means to core.
type Fault struct {
	Text     string
	Meanings []pb.ErrorMeaning
	Config   *pb.ConfigMistake
}

// meaningCodes give the code of a meaning. The first that a Fault has counts.
var meaningCodes = []struct {
	meaning pb.ErrorMeaning
	code    codes.Code
}{
	{pb.ErrorMeaning_ERROR_MEANING_FOREIGN, codes.AlreadyExists},
	{pb.ErrorMeaning_ERROR_MEANING_UNSUPPORTED, codes.Unimplemented},
	{pb.ErrorMeaning_ERROR_MEANING_UNAVAILABLE, codes.Unavailable},
	{pb.ErrorMeaning_ERROR_MEANING_CANCELED, codes.Canceled},
	{pb.ErrorMeaning_ERROR_MEANING_DEADLINE_EXCEEDED, codes.DeadlineExceeded},
}

// Status is the fault as gRPC sends it.
func (f Fault) Status() error {
	s := status.New(f.code(), cut(f.Text))
	detail := &pb.ErrorDetail{Meanings: f.Meanings}
	if f.Config != nil {
		detail.Config = &pb.ConfigMistake{Key: cut(f.Config.GetKey()), Message: cut(f.Config.GetMessage()), Hint: cut(f.Config.GetHint())}
	}
	if len(f.Meanings) > 0 || f.Config != nil {
		if with, err := s.WithDetails(detail); err == nil {
			s = with
		}
	}
	return s.Err()
}

func (f Fault) code() codes.Code {
	if f.Config != nil {
		return codes.InvalidArgument
	}
	for _, mc := range meaningCodes {
		for _, m := range f.Meanings {
			if m == mc.meaning {
				return mc.code
			}
		}
	}
	return codes.Unknown
}

func cut(s string) string {
	if len(s) <= maxFault {
		return Text(s)
	}
	return Text(s[:maxFault]) + " ..."
}

// ReadFault reads the error of a call. A backend in another language may leave
// the details out: then the code alone tells what is meant.
func ReadFault(err error) Fault {
	s := status.Convert(err)
	f := Fault{Text: s.Message()}
	for _, d := range s.Details() {
		if d, ok := d.(*pb.ErrorDetail); ok {
			f.Meanings, f.Config = d.GetMeanings(), d.GetConfig()
			return f
		}
	}
	switch s.Code() {
	case codes.InvalidArgument:
		f.Config = &pb.ConfigMistake{Message: s.Message()}
	case codes.Canceled: // by gRPC itself, in words that depend on who was first
		f.Text = context.Canceled.Error()
	case codes.DeadlineExceeded:
		f.Text = context.DeadlineExceeded.Error()
	case codes.ResourceExhausted: // by gRPC itself; no backend's error has this code
		f.Text = fmt.Sprintf("a message is larger than the %d MiB that a plugin and core may send: %s", MaxMessage>>20, s.Message())
	}
	for _, mc := range meaningCodes {
		if mc.code == s.Code() {
			f.Meanings = []pb.ErrorMeaning{mc.meaning}
		}
	}
	if f.Text == "" {
		f.Text = "failed, and did not say why (" + s.Code().String() + ")"
	}
	return f
}
