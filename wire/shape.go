package wire

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// A Shape stands for all texts that differ only in constants, comments, white
// space and the letter case of words. It is a hash with a seed of the process:
// equal shapes are equal texts in this sense, but for one chance in 2^64. Zero
// is no shape: that of a text whose names cannot be read.
//
// Constants keep their type, since that chooses between functions of one name:
// a string or NULL, a boolean, an integer of 4 or 8 bytes, any other number, a
// parameter with the type that the client gave it. Lists of constants behind IN
// and in ARRAY[...] count as one constant, and equal rows of VALUES as one row.
type Shape uint64

// shapeKeys are the process's seed.
var shapeKeys = func() (k [2]uint64) {
	seed := maphash.MakeSeed()
	for i := range k {
		k[i] = maphash.Comparable(seed, i)
	}
	return k
}()

// MixShape makes one hash of two.
func MixShape(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^shapeKeys[0], v^shapeKeys[1])
	return hi ^ lo
}

// HashExactly is a hash of bytes as they are, with the seed of shapes.
func HashExactly(b []byte) uint64 {
	h := uint64(len(b))
	for len(b) >= 8 {
		h = MixShape(h, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var last uint64
	for _, c := range b {
		last = last<<8 | uint64(c)
	}
	return MixShape(h, last)
}

// What a shape is made of besides words: one value for each kind of constant
// and each way in which two characters follow each other.
const (
	shapeString uint64 = iota + 1
	shapeBool
	shapeInt4
	shapeInt8
	shapeNumber
	shapeParam  // of a type that the server chooses
	shapeGroup  // begins the hash of a row of VALUES
	shapeApart  // a character behind something else
	shapeJoined // a character close behind another: an operator of several
	shapeQuoted
	shapeTyped uint64 = 1 << 32 // plus the type of a parameter
)

// A shapeState says what the token before has to do with lists that fold.
type shapeState uint8

const (
	shapePlain      shapeState = iota
	shapeIn                    // IN
	shapeValues                // VALUES
	shapeRow                   // in brackets behind it, in which nothing but constants was
	shapeRowDone               // behind such brackets
	shapeRowComma              // and a comma
	shapeConst                 // a constant of a list that folds
	shapeConstComma            // and a comma
)

// shaper makes a shape of tokens as they come.
type shaper struct {
	h     uint64
	types []byte // of parameters: object IDs of four bytes
	// folds has a bit for each open bracket, the innermost lowest: constants in
	// it fold.
	folds      uint64
	lastEnd    int // where the last single character ended
	state      shapeState
	again      bool // the row follows another one
	unreadable bool

	constHash        uint64 // h behind the first constant of a list
	outer            uint64 // h ahead of the row
	rowHash, rowDone uint64 // of the row before, and h behind it
}

// leave ends what might have been a list.
func (s *shaper) leave() {
	if s.state == shapeRow {
		s.h = MixShape(s.outer, s.h)
	}
	s.state = shapePlain
}

// word takes a key word or an identifier, and a hash of it in lower case.
func (s *shaper) word(word []byte, h uint64) {
	switch len(word) {
	case 4, 5:
		switch {
		case isWord(word, "null"):
			s.constant(shapeString)
			return
		case isWord(word, "true"), isWord(word, "false"):
			s.constant(shapeBool)
			return
		}
	case 2:
		if isWord(word, "in") {
			s.next(shapeIn, h)
			return
		}
	case 6:
		if isWord(word, "values") {
			s.next(shapeValues, h)
			return
		}
	}
	s.next(shapePlain, h)
}

// next takes what is no part of a list.
func (s *shaper) next(state shapeState, v uint64) {
	if s.state == shapeRow {
		s.leave()
	}
	s.state = state
	s.h = MixShape(s.h, v)
}

// quoted takes an identifier in quotes.
func (s *shaper) quoted(text []byte) {
	s.next(shapePlain, MixShape(shapeQuoted, HashExactly(text)))
}

// constant takes a constant of a kind.
func (s *shaper) constant(kind uint64) {
	switch {
	case s.state == shapeRow:
	case s.folds&1 == 0:
		s.state = shapePlain
	case s.state == shapeConstComma:
		s.h, s.state = s.constHash, shapeConst
		return
	default:
		s.state = shapeConst
		s.constHash = MixShape(s.h, kind)
	}
	s.h = MixShape(s.h, kind)
}

// mark takes a single character, which ends before end.
func (s *shaper) mark(c byte, end int) {
	v := uint64(c)<<8 | shapeApart
	if s.lastEnd == end-1 {
		v = uint64(c)<<8 | shapeJoined
	}
	s.lastEnd = end
	switch c {
	case '(', '[':
		s.open(c)
	case ')', ']':
		s.close(c)
	case ',':
		switch s.state {
		case shapeRow:
		case shapeConst:
			s.state = shapeConstComma
		case shapeRowDone:
			s.state = shapeRowComma
		default:
			s.state = shapePlain
		}
		s.h = MixShape(s.h, v)
	default:
		s.next(shapePlain, v)
	}
}

func (s *shaper) open(c byte) {
	s.folds <<= 1
	switch {
	case c == '(' && (s.state == shapeValues || s.state == shapeRowComma):
		s.again = s.state == shapeRowComma
		s.state, s.outer, s.h = shapeRow, s.h, shapeGroup
		return
	case c == '[', s.state == shapeIn:
		s.folds |= 1
	}
	s.next(shapePlain, uint64(c))
}

func (s *shaper) close(c byte) {
	s.folds >>= 1
	if s.state != shapeRow {
		s.next(shapePlain, uint64(c))
		return
	}
	row := s.h
	if s.again && row == s.rowHash {
		s.h = s.rowDone
	} else {
		s.h = MixShape(s.outer, row)
	}
	s.rowHash, s.rowDone, s.state = row, s.h, shapeRowDone
}

// number takes a number, as PostgreSQL types it.
func (s *shaper) number(text []byte) {
	for _, c := range text {
		if c < '0' || c > '9' {
			s.constant(shapeNumber)
			return
		}
	}
	const most4, most8 = "2147483647", "9223372036854775807"
	switch n := len(text); {
	case n < len(most4) || n == len(most4) && string(text) <= most4:
		s.constant(shapeInt4)
	case n < len(most8) || n == len(most8) && string(text) <= most8:
		s.constant(shapeInt8)
	default:
		s.constant(shapeNumber)
	}
}

// parameter takes a parameter by its number.
func (s *shaper) parameter(digits []byte) {
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' || n > 1<<16 {
			break
		}
		n = n*10 + int(c-'0')
	}
	kind := shapeParam
	if n > 0 && 4*n <= len(s.types) {
		kind = shapeTyped + uint64(binary.BigEndian.Uint32(s.types[4*n-4:]))
	}
	s.constant(kind)
}

// shape is what has come of all.
func (s *shaper) shape() Shape {
	s.leave()
	if s.unreadable {
		return 0
	}
	return Shape(max(s.h, 1))
}
