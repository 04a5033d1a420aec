package pgbouncer

import (
	"fmt"
	"runtime"
	"strconv"

	"pgweir/config"
)

// convert makes pgweir's value of PgBouncer's: string, int64, bool or []any. remark is
// for the line in the imported file, if the value is not what one would expect.
func (t *translator) convert(s *setting, text string, value any) (out any, remark string, err error) {
	switch v := value.(type) {
	case string:
		if s.kind == kindPath {
			return t.fromFolder(v), "", nil
		}
		return v, "", nil
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list, "", nil
	case bool:
		if s.name == "tcp_defer_accept" && runtime.GOOS != "linux" {
			return false, "", nil // nor does PgBouncer do it there
		}
		return v, "", nil
	case float64:
		return t.convertSeconds(s, v)
	case int64:
		return t.convertNumber(s, text, v)
	}
	panic("bug: unknown type of a value")
}

func (t *translator) convertSeconds(s *setting, v float64) (any, string, error) {
	switch {
	case s.none != 0 && v == 0:
		return duration(float64(s.none)), "0 is no limit in PgBouncer", nil
	case s.most != 0 && v > float64(s.most):
		return duration(float64(s.most)), fmt.Sprintf("%s in PgBouncer; this is the longest", duration(v)), nil
	}
	return duration(v), "", nil
}

func (t *translator) convertNumber(s *setting, text string, n int64) (any, string, error) {
	given, remark := n, ""
	if s.name == "max_client_conn" && n < 1 {
		return nil, "", fmt.Errorf("%d lets no client in, in PgBouncer neither; the least is 1", n)
	}
	switch {
	case s.none != 0 && n <= 0:
		n, remark = s.none, fmt.Sprintf("%d is no limit in PgBouncer", given)
	case s.most != 0 && n > s.most:
		n = s.most
	case s.most != 0 && n < s.least:
		n = s.least
	}
	if remark == "" && n != given {
		remark = fmt.Sprintf("%d in PgBouncer", given)
	}
	switch {
	case s.name == "verbose":
		if n > 0 {
			return "debug", remark, nil
		}
		return "info", remark, nil
	case s.kind == kindMode:
		if n > 0o777 && text[0] != '0' {
			return nil, "", fmt.Errorf("%s is decimal, and so the mode %#o; octal digits begin with 0", config.Quote(text), n)
		}
		return fmt.Sprintf("%04o", n), remark, nil
	case s.milli:
		return strconv.FormatInt(n, 10) + "ms", remark, nil
	case s.inSeconds:
		return strconv.FormatInt(n, 10) + "s", remark, nil
	case s.name == "min_pool_size" && s.kind == kindNumber: // the general one
		return t.capMinimum(n)
	}
	return n, remark, nil
}
