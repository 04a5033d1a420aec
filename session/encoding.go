package session

import (
	"bytes"
	"encoding/binary"

	"pgweir/session/follow"
	"pgweir/wire"
)

// readable is a text in which every byte below 128 is ASCII. In the encodings
// that only clients have, such a byte may be the second half of a character.
func (s *Session) readable(text []byte) []byte {
	if !twoByteEncoding(s.vars[wire.VarClientEncoding]) {
		return text
	}
	return withoutTrails(text)
}

// withoutTrails is a text of which the second byte of each character of two bytes
// is none of ASCII's.
func withoutTrails(text []byte) []byte {
	i := bytes.IndexFunc(text, func(r rune) bool { return r >= 0x80 })
	if i < 0 {
		return text
	}
	text = bytes.Clone(text)
	for ; i < len(text); i++ {
		if text[i] >= 0x80 && i+1 < len(text) {
			if i++; text[i] < 0x80 {
				text[i] = 0x80
			}
		}
	}
	return text
}

// twoByteEncoding tells the encodings whose characters may end with a byte below
// 128 (PostgreSQL's documentation, section "Supported Character Sets").
func twoByteEncoding(name string) bool {
	switch name {
	case "SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB":
		return true
	}
	return false
}

// readsOneWay tells whether a text means the same in every encoding, and whatever a
// backslash does.
func readsOneWay(text []byte) bool {
	if bytes.IndexByte(text, '\\') >= 0 {
		return false
	}
	for ; len(text) >= 8; text = text[8:] {
		if binary.LittleEndian.Uint64(text)&0x8080808080808080 != 0 {
			return false
		}
	}
	return follow.IsASCII(text)
}
