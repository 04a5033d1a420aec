package pgbouncer

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
)

// reason is err without the operation and path that package os puts before it.
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// quote puts v in quotes for a message, cut short if it is long.
func quote(v string) string {
	const most = 60
	if len(v) <= most {
		return strconv.Quote(v)
	}
	return strconv.Quote(strings.ToValidUTF8(v[:most], "")) + "…"
}

// printable is v as it is, unless that would break the line.
func printable(v string) string {
	for _, r := range v {
		if !strconv.IsPrint(r) {
			return quote(v)
		}
	}
	return v
}
