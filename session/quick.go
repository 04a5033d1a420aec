package session

import (
	"bytes"
	"encoding/binary"

	"pgweir/session/pipeline"
	"pgweir/wire"
)

// A pipeline is full of messages that are all of a few kinds, about the
// unnamed statement, and each says nothing new; a large result is full of rows.
// These are dealt with here, many at a time and in few steps; the general way
// (Session.track, Session.statement, Session.answer) would come to the same.

// quickClient is track and statement for the whole messages of the extended
// protocol that stand behind another one of the client's. It returns the
// length of those at the beginning of in for which the general way need not be
// taken; they are to be passed on.
func (s *Session) quickClient(in []byte, o *Out) (n int) {
	if first := s.owed.First(); first == 0 || first.Ours() || s.reads == skipsToSync || s.barrier || s.idle != 0 || s.hearsLater() {
		return 0
	}
	plain := false // s.unnamedParse is the last Parse, and there was nothing in it
	for len(in)-n >= wire.HeaderLen {
		typ, total := wire.Header(in[n:])
		if total == 0 || total > len(in)-n || total > wire.ClientLimit(typ) {
			break
		}
		message := in[n : n+total]
		if plain && typ == 'P' && bytes.Equal(message, s.unnamedParse) {
			o.Parses++
			o.ServerParses++
			s.owed.Push(pipeline.Parse)
		} else if !s.quickMessage(typ, message, o) {
			break
		} else if typ == 'P' {
			plain = s.unnamedHints == 0 && s.resets == 0
		}
		n += total
	}
	if n > 0 {
		s.begun, s.batch = true, max(s.batch, batchPrepares)
	}
	return n
}

// quickMessage is quickClient for one message; it is false if the general way
// has to be taken.
func (s *Session) quickMessage(typ byte, message []byte, o *Out) bool {
	body := message[wire.HeaderLen:]
	switch typ {
	case 'B':
		if len(body) < 2 || body[0] != 0 || body[1] != 0 || !s.unnamedSent || s.unnamedHints != 0 || s.long != longNone {
			return false
		}
		if s.config.Catalog != nil {
			s.hints |= s.runsUnnamed(message)
		}
		o.Binds++
		s.batch = batchRuns
		s.link.bound = nil
		s.owed.Push(pipeline.Bind)
	case 'D':
		if len(body) < 2 || body[0] != 'P' || s.link.bound != nil {
			return false
		}
		s.owed.Push(pipeline.Describe)
	case 'E':
		if s.hints&hintsBarrier != 0 {
			return false
		}
		s.batch = batchRuns
		s.owed.Push(pipeline.Execute)
	case 'P':
		if len(body) < 2 || body[0] != 0 || len(message) > maxUnnamed || s.long != longNone || s.config.Mode == SessionMode {
			return false
		}
		if s.config.State != StateOff {
			earlier := s.hints
			w := s.watch(body[1:], false)
			if w.hints&^hintsCheap != 0 {
				s.hints = earlier // it is looked at once more
				return false
			}
			s.noteUnnamed(w.hints, w.shape)
		}
		o.Parses++
		o.ServerParses++
		s.unnamedSent = true
		u := s.ownUnnamed()
		u.unnamedParse = append(u.unnamedParse[:0], message...)
		s.owed.Push(pipeline.Parse)
		s.noticeReset(body[1:])
		s.noticeDatabases(body[1:], o)
	default:
		return false
	}
	return true
}

// quickServer is answer for the whole messages that are passed on to the client
// and are what is expected next. It returns the length of those at the beginning
// of in for which the general way need not be taken.
func (s *Session) quickServer(in []byte) (n int) {
	if s.extra != nil && (s.extra.signaled || s.extra.stray > 0) {
		return 0 // the next row may have to be changed, or each message counts
	}
	q := s.owed
	for len(in)-n >= wire.HeaderLen && q.Len() > 0 {
		p := in[n:]
		// An impossible length, and that of a message that goes on behind in,
		// is too large here.
		behind := binary.BigEndian.Uint32(p[1:]) - 4
		if behind > uint32(len(p)-wire.HeaderLen) {
			return n
		}
		n += wire.HeaderLen + int(behind)
		expected := false
		switch first := q.First(); p[0] {
		case 'D':
			if first == pipeline.Query || first == pipeline.Execute {
				continue
			}
		case 'C':
			if tag := p[wire.HeaderLen:][:behind]; s.readsTags || deallocatesAll(tag) || s.commitsObjects(tag) {
				break
			}
			if first == pipeline.Query {
				continue
			}
			expected = first == pipeline.Execute
		case '1':
			if expected = first == pipeline.Parse; expected {
				s.unnamedHere = true
			}
		case '2':
			expected = first == pipeline.Bind
		case 'T', 'n':
			if first == pipeline.Query {
				continue
			}
			expected = first == pipeline.Describe
		}
		if !expected {
			return len(in) - len(p)
		}
		q.Pop()
	}
	return n
}
