package proctable

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// The fields of /proc/PID/stat behind the name, counted from 0 (proc_pid_stat(5)).
const (
	fieldState  = 0
	fieldParent = 1
	fieldUser   = 11
	fieldSystem = 12
	fieldBirth  = 19
)

// parseStat reads /proc/PID/stat: "pid (name) state ppid …", where the name may
// hold anything, parentheses and blanks included. It is read for each process
// of a server every few seconds, so it takes what is needed and no more.
func parseStat(line []byte) (Process, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 1 || end < open {
		return Process{}, fmt.Errorf("a stat line without a name: %q", line)
	}
	var fields [fieldBirth + 1][]byte
	n := 0
	for field := range bytes.FieldsSeq(line[end+1:]) {
		if fields[n] = field; n == fieldBirth {
			n++
			break
		}
		n++
	}
	if n <= fieldBirth {
		return Process{}, fmt.Errorf("a stat line with %d fields behind the name", n)
	}
	if len(fields[fieldState]) != 1 {
		return Process{}, fmt.Errorf("a stat line with the state %q", fields[fieldState])
	}
	p := Process{Name: string(line[open+1 : end]), State: fields[fieldState][0]}
	var err error
	number := func(text []byte) (n uint64) {
		if err == nil {
			n, err = strconv.ParseUint(string(text), 10, 63)
		}
		return n
	}
	p.PID = int(number(bytes.TrimSpace(line[:open])))
	p.Parent = int(number(fields[fieldParent]))
	p.CPU = time.Duration(number(fields[fieldUser])+number(fields[fieldSystem])) * tick
	p.Birth = number(fields[fieldBirth])
	if err != nil {
		return Process{}, fmt.Errorf("a stat line with a number that is none: %w", err)
	}
	return p, nil
}
