package wire

import (
	"encoding/binary"
	"math"

	"github.com/jackc/pgproto3/v2"
)

// Column is one column of a RowDescription.
type Column struct {
	Name string
	OID  uint32 // of the data type, pg_type.oid
	Size int16  // of the data type in bytes, pg_type.typlen: -1 for text
}

// AppendRowDescription appends a RowDescription with columns that belong to no
// table, have no type modifier and are sent as text. It is written out because
// pgproto3's would need a slice of its own for the fields.
func AppendRowDescription(dst []byte, columns []Column) []byte {
	if len(columns) > math.MaxUint16 {
		panic("bug: more columns than a RowDescription can have")
	}
	dst, at := begin(dst, 'T')
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(columns)))
	for _, c := range columns {
		dst = appendCString(dst, c.Name)
		dst = binary.BigEndian.AppendUint32(dst, 0) // table
		dst = binary.BigEndian.AppendUint16(dst, 0) // attribute number
		dst = binary.BigEndian.AppendUint32(dst, c.OID)
		dst = binary.BigEndian.AppendUint16(dst, uint16(c.Size))
		dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32) // type modifier -1
		dst = binary.BigEndian.AppendUint16(dst, 0)              // format: text
	}
	return finish(dst, at)
}

// AppendDataRow appends a DataRow. A nil value is NULL.
func AppendDataRow(dst []byte, values [][]byte) []byte {
	return must((&pgproto3.DataRow{Values: values}).Encode(dst))
}

// AppendCommandComplete appends a CommandComplete with a tag as "SHOW" or
// "SELECT 3".
func AppendCommandComplete(dst []byte, tag string) []byte {
	dst, at := begin(dst, 'C')
	return finish(appendCString(dst, tag), at)
}

// AppendEmptyQueryResponse appends an EmptyQueryResponse.
func AppendEmptyQueryResponse(dst []byte) []byte {
	return must((&pgproto3.EmptyQueryResponse{}).Encode(dst))
}

// AppendParseComplete appends a ParseComplete.
func AppendParseComplete(dst []byte) []byte {
	return must((&pgproto3.ParseComplete{}).Encode(dst))
}

// AppendBindComplete appends a BindComplete.
func AppendBindComplete(dst []byte) []byte {
	return must((&pgproto3.BindComplete{}).Encode(dst))
}

// AppendCloseComplete appends a CloseComplete.
func AppendCloseComplete(dst []byte) []byte {
	return must((&pgproto3.CloseComplete{}).Encode(dst))
}

// AppendNoData appends a NoData.
func AppendNoData(dst []byte) []byte {
	return must((&pgproto3.NoData{}).Encode(dst))
}

// AppendParameterDescription appends a ParameterDescription with the OIDs of
// the parameters' types.
func AppendParameterDescription(dst []byte, oids []uint32) []byte {
	return must((&pgproto3.ParameterDescription{ParameterOIDs: oids}).Encode(dst))
}

// AppendPortalSuspended appends a PortalSuspended.
func AppendPortalSuspended(dst []byte) []byte {
	return must((&pgproto3.PortalSuspended{}).Encode(dst))
}
