package health

import (
	"errors"
	"fmt"
	"testing"

	"pgweir/status"
)

// crashed gives all processes but the postmaster new pids.
func crashed(by int) func(e *Evidence) {
	return func(e *Evidence) {
		for _, pid := range []int{ckptPID, bgwPID, walPID, avPID, llPID, censusPID} {
			e.become(pid, pid+by)
		}
	}
}

// restarted is the server with another postmaster.
func restarted(e *Evidence) {
	crashed(1000)(e)
	e.become(pmPID, pmPID+1000)
	e.Census.Postmaster.PID += 1000
	e.Started = second(20)
}

func TestWhetherTheServerServes(t *testing.T) {
	refuse := func(code, words string) func(e *Evidence) {
		return func(e *Evidence) { e.refuse(code, words) }
	}
	silent := func(e *Evidence) { e.down(); e.remote() }
	hung := func(e *Evidence) { e.Err = fmt.Errorf("failed to connect: %w", timeout{}); e.unasked() }
	blindly := func(e *Evidence) { e.Asked = false; e.unasked() }
	recovering := func(e *Evidence) {
		crashed(50)(e)
		e.refuse("57P03", "the database system is in recovery mode")
	}
	scenes{
		"its postmaster has gone": {
			{at: 0},
			{at: 5, change: (*Evidence).down, want: []string{"postmaster_gone critical 5 down"}, text: []string{"pid 100", "127.0.0.1:5432", "pg_ctl start"}},
			{at: 10, change: (*Evidence).down, want: []string{"postmaster_gone critical 5 down"}},
			{at: 15, change: func(e *Evidence) { e.down(); e.Census.Postmaster.PID = 0 }, want: []string{"postmaster_gone critical 5 down"}, text: []string{"pid 100"}},
			{at: 20, change: restarted, want: []string{"server_restarted info 20"}, text: []string{"postmaster 1100, was 100", "2026-03-01 12:00:20 UTC"}},
			{at: 79, change: restarted, want: []string{"server_restarted info 20"}},
			{at: 80, change: restarted},
		},
		"elsewhere it cannot be reached": {
			{at: 0, change: (*Evidence).remote},
			{at: 5, change: silent},
			{at: 10, change: silent, want: []string{"server_unreachable critical 10 down"}, text: []string{"connection refused"}},
			{at: 15, change: silent, want: []string{"server_unreachable critical 10 down"}},
			{at: 20, change: (*Evidence).remote},
			{at: 25, change: silent}, // once is not enough again
			{at: 30, change: (*Evidence).remote},
		},
		"elsewhere it was started again": {
			{at: 0, change: (*Evidence).remote},
			{at: 30, change: func(e *Evidence) { restarted(e); e.remote() }, want: []string{"server_restarted info 30"}},
			{at: 91, change: func(e *Evidence) { restarted(e); e.remote() }},
		},
		"it was never reached": {
			{at: 0, change: silent},
			{at: 5, change: silent, want: []string{"server_unreachable critical 5 down"}},
		},
		"the postmaster lives and nobody answers": {
			{at: 0},
			{at: 5, change: hung},
			{at: 10, change: hung, want: []string{"server_unreachable critical 10 down"}, text: []string{"accepts connections but does not answer", "lives", "-p 100"}},
			{at: 15},
		},
		"elsewhere nobody answers": {
			{at: 0, change: func(e *Evidence) { hung(e); e.remote() }},
			{at: 5, change: func(e *Evidence) { hung(e); e.remote() }, want: []string{"server_unreachable critical 5 down"}, text: []string{"does not answer", "Check that PostgreSQL runs"}},
		},
		"nobody may ask, and it cannot be reached": {
			{at: 0, change: blindly, want: []string{"census_blind info 0"}, text: []string{"census_user"}},
			{at: 5, change: func(e *Evidence) { blindly(e); e.Reaches = false }, want: []string{"census_blind info 0"}},
			{at: 10, change: func(e *Evidence) { blindly(e); e.Reaches = false }, want: []string{"server_unreachable critical 10 down", "census_blind info 0"}},
			{at: 15, change: func(e *Evidence) { e.down(); e.Asked, e.Err = false, nil }, want: []string{"postmaster_gone critical 15 down", "census_blind info 0"}},
			{at: 20, change: func(e *Evidence) { restarted(e); blindly(e) }, want: []string{"census_blind info 0", "server_restarted info 20"}},
		},
		"it is starting": {
			{at: 0, change: refuse("57P03", "the database system is starting up"), want: []string{"server_starting critical 0 down"}, text: []string{`"the database system is starting up"`}},
			{at: 5, change: refuse("57P03", "the database system is not yet accepting connections"), want: []string{"server_starting critical 0 down"}, text: []string{"not yet accepting"}},
			{at: 10},
		},
		"it recovers from a crash": {
			{at: 0},
			{at: 5, change: refuse("57P03", "the database system is in recovery mode"), want: []string{"server_starting critical 5 down", "server_crashed warning 5"}},
			{at: 10, change: crashed(50), want: []string{"server_crashed warning 5"}, text: []string{"checkpointer: 151, was 101"}},
			{at: 69, change: crashed(50), want: []string{"server_crashed warning 5"}},
			{at: 70, change: crashed(50)},
		},
		"it recovers for several readings": {
			{at: 0},
			{at: 5, change: recovering, want: []string{"server_starting critical 5 down", "server_crashed warning 5"}, text: []string{"checkpointer: 151, was 101"}},
			{at: 10, change: recovering, want: []string{"server_starting critical 5 down", "server_crashed warning 5"}, text: []string{"checkpointer: 151, was 101"}},
			{at: 15, change: crashed(50), want: []string{"server_crashed warning 5"}, text: []string{"checkpointer: 151, was 101"}},
			{at: 70, change: crashed(50)},
		},
		"it was back before it was asked": {
			{at: 0},
			{at: 5, change: crashed(50), want: []string{"server_crashed warning 5"}, text: []string{"checkpointer: 151, was 101", "walwriter: 153, was 103", "dmesg"}},
			{at: 20, change: crashed(90), want: []string{"server_crashed warning 5"}}, // and again
			{at: 66, change: crashed(90), want: []string{"server_crashed warning 5"}},
			{at: 80, change: crashed(90)},
		},
		"elsewhere it crashed": {
			{at: 0, change: (*Evidence).remote},
			{at: 5, change: func(e *Evidence) { crashed(50)(e); e.remote() }, want: []string{"server_crashed warning 5"}},
		},
		"the census's session ended with the crash": {
			{at: 0},
			{at: 5, change: refuse("57P02", "terminating connection because of crash of another server process"), want: []string{"server_crashed warning 5"}},
		},
		"one process alone was replaced": {
			{at: 0},
			{at: 5, change: func(e *Evidence) { e.become(walPID, 500) }},
		},
		"the pids are those of a postmaster that is not known": {
			{at: 0},
			{at: 5, change: func(e *Evidence) {
				crashed(50)(e)
				e.Census.Postmaster = status.Postmaster{}
				e.unasked()
				e.Asked = false
			}, want: []string{"census_blind info 5"}},
		},
		"a crash is of no interest after a restart": {
			{at: 0},
			{at: 5, change: crashed(50), want: []string{"server_crashed warning 5"}},
			{at: 20, change: restarted, want: []string{"server_restarted info 20"}},
		},
		"the census is refused": {
			{at: 0, change: refuse("28P01", `password authentication failed for user "watcher"`), want: []string{"census_login info 0"}, text: []string{`password authentication failed for user "watcher"`, "pg_hba.conf"}},
			{at: 5, change: refuse("3D000", `database "x" does not exist`), want: []string{"census_login info 0"}},
			{at: 10, change: refuse("57P03", "the database system is shutting down"), want: []string{"server_starting critical 10 down"}},
			{at: 15, change: refuse("53300", `too many connections for role "watcher"`), want: []string{"census_login info 0"}},
			{at: 20},
		},
		"the census's session is ended now and then": {
			{at: 0, change: refuse("57P01", "terminating connection due to administrator command")},
			{at: 5, change: refuse("57P01", "terminating connection due to administrator command"), want: []string{"census_login info 5"}, text: []string{"log says more"}},
			{at: 10},
			{at: 15, change: refuse("57014", "canceling statement due to statement timeout")},
		},
		"the server and the census do not agree on TLS": {
			{at: 0, change: func(e *Evidence) { e.Err = errors.New("tls: no"); e.unasked() }},
			{at: 5, change: func(e *Evidence) { e.Err = errors.New("tls: no"); e.unasked() }, want: []string{"census_login info 5"}, text: []string{"census_user"}},
		},
		"it was shut down while it was asked": {
			{at: 0},
			{at: 5, change: func(e *Evidence) { e.down(); e.Code = "57P01" }, want: []string{"postmaster_gone critical 5 down"}},
		},
		"too few rights": {
			{at: 0, change: func(e *Evidence) { e.Privileged, e.Role = false, `wat"cher` }, want: []string{"census_rights info 0"}, text: []string{`GRANT pg_monitor TO "wat""cher";`}},
			{at: 5, change: hung},
			{at: 10, change: func(e *Evidence) { e.Privileged = false }, want: []string{"census_rights info 0"}},
			{at: 15},
		},
	}.run(t)
}
