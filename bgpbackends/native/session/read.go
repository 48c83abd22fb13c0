package session

import (
	"bufio"
	"context"
	"errors"

	"github.com/stentor-net/stentor/bgpbackends/native/fsm"
	"github.com/stentor-net/stentor/bgpbackends/native/wire"
)

// readBuffer is for small messages; a long one needs a buffer of its size.
const readBuffer = 4096

// read turns what comes into events until the connection ends.
func (s *Session) read(ctx context.Context, from *drowsy, turn int) {
	buffer := bufio.NewReaderSize(from, readBuffer)
	in := wire.NewReader(buffer)
	in.Max = wire.MaxExtendedLen // offered; a peer that did not offer it sends none
	enhanced := false
	for {
		settled := s.settled.Load() == int64(turn)
		from.drowse = settled && buffer.Buffered() == 0
		e := tagged{turn: turn}
		t, body, err := in.Next()
		if err == nil {
			err = s.decode(&e, t, body, &enhanced)
		}
		if err == nil && (e.Kind == fsm.Alive || e.Kind == fsm.Updated) && settled {
			s.heard.end(0) // that is all there is to it (RFC 4271 §8.2.2, events 26 and 27)
			continue
		}
		var n *wire.Notification
		switch {
		case errors.As(err, &n):
			e.Event = fsm.Event{Kind: fsm.Malformed, Notification: n}
		case err != nil:
			e.Event = fsm.Event{Kind: fsm.Disconnected, Why: connectionWords(err)}
		}
		if !s.post(ctx, e) || err != nil {
			return
		}
	}
}

// decode makes an event of one message.
func (s *Session) decode(e *tagged, t wire.Type, body []byte, enhanced *bool) (err error) {
	switch t {
	case wire.TypeOpen:
		e.Kind = fsm.Opened
		if e.Open, err = wire.DecodeOpen(body); err == nil {
			*enhanced = e.Open.EnhancedRefresh
		}
	case wire.TypeUpdate:
		var c wire.Counts
		c, err = wire.CountUpdate(body)
		s.received.Add(int64(c.Announced - c.Withdrawn))
		e.Kind = fsm.Updated
	case wire.TypeNotification:
		e.Kind, e.Notification = fsm.Notified, wire.DecodeNotification(body)
	case wire.TypeRouteRefresh:
		e.again, err = wire.DecodeRefresh(body, *enhanced)
		e.Kind = fsm.Refreshed
	default:
		e.Kind = fsm.Alive
	}
	return err
}
