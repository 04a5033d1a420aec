package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// startupMessage and queryMessage are in the protocol's section "Message
// Formats"; 196608 is version 3.0.
func startupMessage(user, db string) []byte {
	m := binary.BigEndian.AppendUint32(make([]byte, 4, 64), 196608)
	m = append(m, "user\x00"+user+"\x00database\x00"+db+"\x00\x00"...)
	binary.BigEndian.PutUint32(m, uint32(len(m)))
	return m
}

func queryMessage(sql string) []byte {
	m := append(make([]byte, 0, 64), 'Q', 0, 0, 0, 0)
	m = append(m, sql+"\x00"...)
	binary.BigEndian.PutUint32(m[1:], uint32(len(m)-1))
	return m
}

// sslRequest and terminateMessage are in the same section.
var (
	sslRequest       = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}
	terminateMessage = []byte{'X', 0, 0, 0, 4}
)

const (
	headSize = 5       // a type and a length
	mostBody = 1 << 20 // no answer that we ask for comes near it
	mostText = 1 << 10 // of an error is kept
)

// answer follows the messages of a server, which may come cut anywhere. Its
// zero value awaits the first one.
type answer struct {
	head [headSize]byte
	have int    // bytes of head that are there
	left int    // bytes of the body still to come, once head is whole
	body []byte // of an error or an authentication request only
}

// feed takes what was read and tells whether a ReadyForQuery was among it. An
// error of the server is an error here.
func (a *answer) feed(data []byte) (ready bool, err error) {
	for len(data) > 0 {
		if a.have < headSize {
			n := copy(a.head[a.have:], data)
			a.have += n
			data = data[n:]
			if a.have < headSize {
				break
			}
			length := binary.BigEndian.Uint32(a.head[1:])
			if length < 4 || length > mostBody {
				return false, fmt.Errorf("a message '%c' of length %d", a.head[0], length)
			}
			a.left, a.body = int(length)-4, a.body[:0]
		}
		n := min(a.left, len(data))
		if kind := a.head[0]; kind == 'E' || kind == 'R' {
			a.body = append(a.body, data[:min(n, mostText-len(a.body))]...)
		}
		a.left -= n
		data = data[n:]
		if a.left > 0 {
			break
		}
		a.have = 0
		switch a.head[0] {
		case 'Z':
			ready = true
		case 'E':
			return false, errors.New(errorText(a.body))
		case 'R':
			if len(a.body) > 4 && binary.BigEndian.Uint32(a.body) == 12 {
				break // AuthenticationSASLFinal, with Ok behind it
			}
			if len(a.body) != 4 || binary.BigEndian.Uint32(a.body) != 0 {
				return false, errors.New("a login without a password (trust) is not accepted")
			}
		}
	}
	return ready, nil
}

// errorText is an ErrorResponse as psql shows it, with its SQLSTATE.
func errorText(body []byte) string {
	var severity, code, text string
	for field := range strings.SplitSeq(string(body), "\x00") {
		if field == "" {
			break
		}
		switch field[0] {
		case 'S':
			severity = field[1:]
		case 'C':
			code = field[1:]
		case 'M':
			text = field[1:]
		}
	}
	return fmt.Sprintf("%s: %s (%s)", severity, text, code)
}
