package pgbouncer

import (
	"strconv"
	"time"

	"pgweir/config"
)

// Shown are rows of SHOW CONFIG as PgBouncer has them: with its names, its spelling of
// values (a bare number of seconds, 0 and 1, no limit as 0) and its defaults, in order
// of the names. What PgBouncer has and pgweir has not is left out, and so is what
// PgBouncer has not.
func Shown(rows []config.Row) []config.Row {
	byKey := make(map[string]*config.Row, len(rows))
	for i := range rows {
		byKey[rows[i].Key] = &rows[i]
	}
	out := make([]config.Row, 0, len(general))
	for i := range general {
		s := &general[i]
		row, ok := byKey[s.target()]
		if !ok {
			continue
		}
		out = append(out, config.Row{
			Key: s.name, Value: s.shown(row.Value), Default: s.shownDefault(row.Default), Changeable: row.Changeable,
		})
	}
	return out
}

// shown is a value of pgweir's, as its SHOW CONFIG has it, in PgBouncer's spelling.
func (s *setting) shown(value string) string {
	switch {
	case s.name == "verbose":
		if value == "debug" {
			return "1"
		}
		return "0"
	case s.kind == kindFlag:
		if value == "true" {
			return "1"
		}
		return "0"
	case s.kind == kindMode:
		if n, err := strconv.ParseUint(value, 8, 32); err == nil {
			return strconv.FormatUint(n, 10)
		}
	case s.milli:
		return s.shownTime(value, time.Millisecond)
	case s.kind == kindSeconds, s.inSeconds:
		return s.shownTime(value, time.Second)
	case s.none != 0 && value == strconv.FormatInt(s.none, 10):
		return "0"
	}
	return value
}

// shownTime counts in a unit; a setting without fractions loses what is beyond it.
func (s *setting) shownTime(value string, unit time.Duration) string {
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		return value
	case s.none != 0 && d == time.Duration(s.none)*time.Second:
		return "0"
	case s.kind != kindSeconds:
		return strconv.FormatInt(int64(d/unit), 10)
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// shownDefault is PgBouncer's default. The texts that the table has none of are
// pgweir's: auth_query's, which asks the same.
func (s *setting) shownDefault(own string) string {
	switch {
	case s.name == "verbose":
		return ""
	case s.name == "auth_query":
		return own
	}
	return s.def
}
