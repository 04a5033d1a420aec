package integration

import "testing"

// Each scene here has startup parameters of its own; RESET goes back to them.
func TestStartupParametersReadTheSameWithAndWithoutPgweirOnOneBackend(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: stateSchema, pool: 1, leaks: true, asShipped: true}, startupScenes())
}

func startupScenes() []scene {
	return []scene{
		{name: "settings as startup parameters", startup: []string{"work_mem", "7MB", "search_path", "pg_catalog", "statement_timeout", "81s", "application_name", "mine", "TimeZone", "America/Lima", "extra_float_digits", "0"}, steps: sqls(
			everySetting, "set work_mem = '8MB'", "set search_path = public", "set timezone = 'Asia/Tokyo'", everySetting, "reset work_mem", "show work_mem", "reset all", everySetting, "set work_mem = '9MB'", "discard all", everySetting,
			"set work_mem to default", "show work_mem", "begin; set work_mem = '10MB'; reset work_mem; commit", "show work_mem", "set time zone local", "show timezone"),
			has: []string{"7168", "America/Lima"}},
		{name: "options", startup: []string{"options", `-c work_mem=7MB -c statement_timeout=82s --search-path=pg_catalog -c my.opt=from\ options`}, steps: sqls(
			everySetting, "show my.opt", "set work_mem = '8MB'; set my.opt = 'mine'", "show my.opt", "reset work_mem", "show work_mem", "reset my.opt", "show my.opt", "reset all", everySetting, "set my.opt = 'x'", "discard all", "show my.opt", "select 1", everySetting),
			has: []string{"from options"}},
		{name: "options and parameters of one name", startup: []string{"options", "-c work_mem=7MB", "work_mem", "8MB"}, steps: sqls("show work_mem", "set work_mem = '9MB'", "reset work_mem", "show work_mem", "select 1", "show work_mem")},
		{name: "a custom setting", startup: []string{"own.startup", "begun"}, steps: sqls("show own.startup", "set own.startup = 'x'", "show own.startup", "reset own.startup", "show own.startup", "set own.startup = 'y'", "discard all", "show own.startup", "begin; set own.startup = 'z'; rollback", "show own.startup")},
		{name: "a role", startup: []string{"role", "pg_monitor"}, steps: sqls("select current_user, session_user", "select * from items", "set role none", "select current_user", "reset role", "select current_user", "discard all", "select current_user", "set role pg_read_all_data", "select current_user")},
		{name: "read only", startup: []string{"default_transaction_read_only", "on", "default_transaction_isolation", "serializable"}, steps: sqls("show transaction_read_only", "insert into items values (200, 'x')", "set default_transaction_read_only = off", "show transaction_isolation", "select 1", "show transaction_read_only", "reset default_transaction_read_only", "show transaction_read_only", "set work_mem = '6MB'", "select sets_by_set()", "show work_mem"),
			has: []string{"25006"}},
		{name: "an encoding", startup: []string{"client_encoding", "LATIN1"}, steps: sqls("show client_encoding", "select chr(233), 'a\xe9'", "set client_encoding = 'UTF8'", "select chr(233)", "reset client_encoding", "select chr(233)", "set application_name = '\xe9t\xe9'", "show application_name", "set enc.var = '\xe9'", "show enc.var", "select 1", "show enc.var"),
			has: []string{"\\xe9"}},
		{name: "strings as they once were", startup: []string{"standard_conforming_strings", "off", "escape_string_warning", "off"}, steps: []step{
			sql(`select 'a\tb\'c'`), sql(`set application_name = 'x\'y\\z'`), sql("show application_name"), sql(`set scs.var = 'tab\there'`), sql("show scs.var"), sql(`select set_config('scs.var', 'it\'s', false); show scs.var`), sql("show scs.var"), sql(`select 'a\'; set work_mem = ''6MB''; select ''b'`), sql("show work_mem"),
			talk(parse("a", `select 'a\'b', $1::text`), sync_), synced(runs("a", `c\d`)), sql("set standard_conforming_strings = on"), synced(runs("a", "x")), sql(`select 'a\tb'`), sql("reset all"), sql(`select 'a\tb'`)},
			has: []string{`a\tb'c`}},
		{name: "nothing at all", steps: sqls(everySetting, "reset all", everySetting, "discard all", everySetting)},
	}
}
