package pgbouncer

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"pgweir/config"
)

// kind is the type of a setting of PgBouncer's.
type kind uint8

const (
	kindText    kind = iota
	kindPath         // of a file or folder; a relative one starts at the current folder
	kindList         // words with commas or blanks between
	kindNumber       // as strtol reads it: decimal, 0x, or octal with a leading 0
	kindFlag         // a number; anything but 0 is on
	kindMode         // a number: a file mode
	kindSeconds      // of time, with a fraction
	kindChoice       // one of a few words, in any case
	kindLoose        // a number in a connection string, as atoi reads it: what follows the digits is nothing
)

// parse reads a value: string, []string, int64, bool or float64. The error is the
// second half of a sentence that begins with the setting's name.
func (s *setting) parse(text string) (any, error) {
	switch s.kind {
	case kindText, kindPath:
		return text, nil
	case kindList:
		return words(text), nil
	case kindNumber, kindMode:
		return number(text)
	case kindFlag:
		n, err := number(text)
		return n != 0, err
	case kindSeconds:
		return seconds(text)
	case kindLoose:
		return loose(text), nil
	case kindChoice:
		for _, choice := range s.choices {
			if strings.EqualFold(choice, text) {
				return choice, nil
			}
		}
		return nil, fmt.Errorf("%s is not known; it is one of %s", config.Quote(text), strings.Join(s.choices, ", "))
	}
	panic("bug: unknown kind of setting")
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r < 0x80 && isSpace(byte(r)) })
}

// number reads what strtol does with base 0, within an int.
func number(text string) (int64, error) {
	digits, negative := text, false
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		digits, negative = rest, true
	} else {
		digits = strings.TrimPrefix(text, "+")
	}
	base := 10
	switch {
	case len(digits) > 2 && (strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X")):
		digits, base = digits[2:], 16
	case len(digits) > 1 && digits[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(digits, base, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > math.MaxInt32:
		return 0, fmt.Errorf("%s is out of range", config.Quote(text))
	case err != nil:
		return 0, fmt.Errorf("%s is not a whole number (what follows it on the line belongs to it, a comment too)", config.Quote(text))
	case negative:
		return -int64(n), nil
	}
	return int64(n), nil
}

// seconds reads what strtod does, but for what is no number of seconds.
func seconds(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "_xXiInN") || f < 0 {
		return 0, fmt.Errorf("%s is not a number of seconds (what follows it on the line belongs to it, a unit or a comment too)", config.Quote(text))
	}
	return f, nil
}

// loose reads what atoi does: digits at the start, and 0 if there are none.
func loose(text string) int64 {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	if errors.Is(err, strconv.ErrRange) || n > math.MaxInt32 {
		return math.MaxInt32
	}
	return max(n, math.MinInt32)
}

// duration is a number of seconds in pgweir's form.
func duration(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) + "s" }
