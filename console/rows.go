package console

import (
	"encoding/binary"
	"math"

	"pgweir/wire"
)

// Formats of a value on the wire.
const (
	textFormat   int16 = 0
	binaryFormat int16 = 1
)

// formatOf is the format of a column: formats holds one for each, or is nil
// where all are text.
func formatOf(formats []int16, column int) int16 {
	if formats == nil {
		return textFormat
	}
	return formats[column]
}

// appendRowDescription appends a RowDescription. It is not wire's, which knows
// text alone. Its columns belong to no table and have no type modifier.
func appendRowDescription(dst []byte, fields []field, formats []int16) []byte {
	start := len(dst)
	dst = append(dst, 'T', 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(fields)))
	for i, f := range fields {
		dst = append(append(dst, f.name...), 0)
		dst = binary.BigEndian.AppendUint32(dst, 0) // table
		dst = binary.BigEndian.AppendUint16(dst, 0) // column of it
		dst = binary.BigEndian.AppendUint32(dst, f.oid)
		dst = binary.BigEndian.AppendUint16(dst, uint16(typeSize(f.oid)))
		dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32) // type modifier -1
		dst = binary.BigEndian.AppendUint16(dst, uint16(formatOf(formats, i)))
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst
}

// A rowWriter makes DataRow messages; its buffers serve for every row.
type rowWriter struct {
	values [][]byte
	data   []byte
}

// append appends one row of a portal that has begun.
func (w *rowWriter) append(dst []byte, p *portal, row int) []byte {
	w.values, w.data = w.values[:0], w.data[:0]
	for column, f := range p.fields {
		v := p.result.cell(row, column)
		if v.null {
			w.values = append(w.values, nil)
			continue
		}
		start := len(w.data)
		if formatOf(p.formats, column) == binaryFormat {
			w.data = appendBinary(w.data, f.oid, v)
		} else {
			w.data = appendText(w.data, f.oid, v)
		}
		// Should data move later on, what this slice points at stays as it is.
		w.values = append(w.values, w.data[start:len(w.data):len(w.data)])
	}
	return wire.AppendDataRow(dst, w.values)
}
