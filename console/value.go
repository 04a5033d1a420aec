package console

import (
	"encoding/binary"
	"math"
	"strconv"
)

// Types of columns: OIDs of PostgreSQL's pg_type.
const (
	oidBytea   uint32 = 17
	oidInt8    uint32 = 20
	oidInt4    uint32 = 23
	oidText    uint32 = 25
	oidFloat8  uint32 = 701
	oidNumeric uint32 = 1700
)

// typeSize is pg_type.typlen of our types; -1 for a variable length.
func typeSize(oid uint32) int16 {
	switch oid {
	case oidInt4:
		return 4
	case oidInt8, oidFloat8:
		return 8
	}
	return -1
}

// A value is one cell of a row. Which member counts is decided by its column's
// type: text for TEXT and BYTEA, number for INT4, INT8 and NUMERIC, real for FLOAT8.
type value struct {
	text   string
	number int64
	real   float64
	null   bool
}

// appendText appends v as a client reads it that asked for text. v is not NULL.
func appendText(dst []byte, oid uint32, v value) []byte {
	switch oid {
	case oidInt4, oidInt8, oidNumeric:
		return strconv.AppendInt(dst, v.number, 10)
	case oidFloat8:
		return strconv.AppendFloat(dst, v.real, 'g', -1, 64)
	}
	return append(dst, v.text...)
}

// appendBinary appends v in PostgreSQL's binary format (the send functions of
// each type, in network byte order). v is not NULL.
func appendBinary(dst []byte, oid uint32, v value) []byte {
	switch oid {
	case oidInt4:
		n := max(math.MinInt32, min(math.MaxInt32, v.number))
		return binary.BigEndian.AppendUint32(dst, uint32(int32(n)))
	case oidInt8:
		return binary.BigEndian.AppendUint64(dst, uint64(v.number))
	case oidFloat8:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.real))
	case oidNumeric:
		return appendBinaryNumeric(dst, v.number)
	}
	return append(dst, v.text...)
}

// appendBinaryNumeric appends n as numeric_send does: the number of digits in
// base 10000, the weight of the first, the sign, the decimals shown, and the
// digits, without zeros at either end; all are 16 bits wide.
func appendBinaryNumeric(dst []byte, n int64) []byte {
	const positive, negative = 0x0000, 0x4000
	sign, rest := uint16(positive), uint64(n)
	if n < 0 {
		sign, rest = negative, -uint64(n)
	}
	var digits [5]uint16 // 10000^5 exceeds 2^64
	first := len(digits)
	for ; rest > 0; rest /= 10000 {
		first--
		digits[first] = uint16(rest % 10000)
	}
	shown := digits[first:]
	weight := max(0, len(shown)-1)
	for len(shown) > 0 && shown[len(shown)-1] == 0 {
		shown = shown[:len(shown)-1]
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(shown)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(weight))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	for _, d := range shown {
		dst = binary.BigEndian.AppendUint16(dst, d)
	}
	return dst
}
