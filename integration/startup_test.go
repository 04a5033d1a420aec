package integration

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// startupScripts log in with one parameter or several and look at what came of it.
func startupScripts() []script {
	with := func(name, value string, more ...string) script {
		shown := strings.ToLower(name)
		s := script{name: name + "=" + value, startup: append([]string{name, value}, more...)}
		if name != "options" && name != "replication" {
			s.steps = sqls("show "+shown, "set "+shown+" to default", "show "+shown)
		}
		return s
	}
	options := func(value string, shown ...string) script {
		s := with("options", value)
		for _, n := range shown {
			s.steps = append(s.steps, sql("show "+n), sql("reset "+n), sql("show "+n))
		}
		return s
	}
	return []script{
		{name: "none", steps: sqls("show application_name", "show client_encoding", "show timezone")},
		with("application_name", "an application"), with("application_name", "ünï \x01 'quoted' \\"), with("application_name", strings.Repeat("a long name ", 5)),
		with("client_encoding", "LATIN1"), with("client_encoding", "utf-8"), with("client_encoding", "SQL_ASCII"), with("client_encoding", "nonsense"), with("client_encoding", "GB18030"),
		with("DateStyle", "German, DMY"), with("datestyle", "iso"), with("DateStyle", "nonsense"),
		with("TimeZone", "Europe/Berlin"), with("timezone", "EST5EDT"), with("TimeZone", "Mars/Olympus"), with("TIMEZONE", "<+03>-03"),
		with("IntervalStyle", "iso_8601"), with("IntervalStyle", "x"), with("standard_conforming_strings", "off"), with("standard_conforming_strings", "maybe"),
		with("search_path", "pg_catalog, nowhere"), with("statement_timeout", "12345"), with("statement_timeout", "2min"), with("statement_timeout", "-5"), with("statement_timeout", "soon"),
		with("extra_float_digits", "3"), with("work_mem", "7MB"), with("work_mem", "1kB"), with("lock_timeout", "3s"), with("default_transaction_isolation", "serializable"),
		with("default_transaction_read_only", "on"), with("my.own", "a value"), with("my.own", ""), with("geqo", "off"), with("bytea_output", "escape"), with("lc_messages", "C"),
		with("nonsense", "1"), with("shared_buffers", "1GB"), with("server_version", "1"), with("session_authorization", "nobody"), with("role", "pg_monitor"), with("role", "nobody"),
		with("log_statement", "none"), with("is_superuser", "off"), with("local_preload_libraries", "nowhere"), with("enable_seqscan", "off", "enable_sort", "off"),
		options("-c work_mem=9MB", "work_mem"), options("-c search_path=a\\ b,c --statement_timeout=5s", "search_path", "statement_timeout"), options("-c geqo=off -c TimeZone=Asia/Tokyo", "geqo", "timezone"),
		options("-cwork_mem=9MB", "work_mem"), options("-S 4096", "work_mem"), options("-c nonsense=1"), options("-c work_mem"), options("nonsense"), options("--nonsense"), options("-c my.thing=x", "my.thing"),
		options("-fs", "enable_seqscan"), options("", "work_mem"), options("-c shared_buffers=1"), options("-c application_name=from\\ options", "application_name"),
		{name: "both options and a parameter", startup: []string{"options", "-c work_mem=9MB -c TimeZone=Asia/Tokyo", "work_mem", "8MB", "TimeZone", "Asia/Seoul"}, steps: sqls("show work_mem", "show timezone")},
		{name: "strings that do not conform", startup: []string{"standard_conforming_strings", "off", "escape_string_warning", "off"}, steps: sqls("select 'a\\'b;', 'c\\\\d'", "select 1; select '\\''")},
		{name: "text in LATIN1", startup: []string{"client_encoding", "LATIN1"}, steps: append(sqls("select 'caf\xe9', length('caf\xe9')", "select chr(8364)", "select '\xff\xfe'"),
			talk(append(extended("select $1::text || chr(252)", "\xe9"), sync_)...))},
		{name: "text that is no UTF-8", steps: sqls("select 'caf\xe9'", "select 1")},
		{name: "read-only by default", startup: []string{"default_transaction_read_only", "on"}, steps: sqls("create table x (a int)", "show transaction_read_only")},
		{name: "a role", startup: []string{"role", "pg_monitor"}, steps: sqls("select current_user, session_user", "reset role", "select current_user", "set role none", "select current_user")},
	}
}

func TestStartupParametersDoWhatTheyDoWithoutPgweir(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"` + "\n" + `server_login_retry = "10ms"`, Database: "pool_size = 2"})
			direct := net.JoinHostPort("127.0.0.1", strconv.Itoa(w.PG.Port))
			for _, s := range startupScripts() {
				t.Run(s.name, func(t *testing.T) {
					want := transcribe(t, direct, w.DB, &s, nil)
					other := rawLogin(t, w.Addr(), "postgres", w.DB, "application_name", "other", "TimeZone", "Africa/Cairo", "statement_timeout", "60s")
					// The second time there is a backend that has the parameters.
					for range 2 {
						got := transcribe(t, w.Addr(), w.DB, &s, func() { interfere(t, other) })
						if want != got {
							t.Errorf("differs behind\n%s", differing(want, got))
							break
						}
					}
					_ = other.net.Close()
				})
			}
		})
	}
}

func TestAnApplicationNameThatIsTooLongIsCutAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	// PostgreSQL cuts the name, in some versions writes it in ASCII afterwards,
	// and then it may be longer than what SET takes.
	other := connect(t, w.DSN("application_name=other"))
	for _, name := range []string{strings.Repeat("x", 80), strings.Repeat("ü", 10), strings.Repeat("ü", 31), strings.Repeat("ü", 31)} {
		must(t, other, "select 1") // so that it is set anew
		direct, through := connect(t, w.Direct("application_name="+name)), connect(t, w.DSN("application_name="+name))
		want, got := ask(t, direct, "show application_name"), ask(t, through, "show application_name")
		if want != got || through.PgConn().ParameterStatus("application_name") != want {
			t.Errorf("shown as %q, reported as %q, want %q", got, through.PgConn().ParameterStatus("application_name"), want)
		}
	}
}

func TestIgnoredStartupParametersAreDropped(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `ignore_startup_parameters = ["nonsense", "work_mem"]`})
	conn := connect(t, w.DSN("nonsense=1", "Work_Mem=7MB", "lock_timeout=3s"))
	if got := ask(t, conn, "select current_setting('work_mem') || current_setting('lock_timeout')"); got != "4MB3s" {
		t.Error(got)
	}
	conn = connect(t, w.DSN(`options='-c work_mem=7MB --lock-timeout=3s -cTimeZone=Europe/Lisbon'`))
	if got := ask(t, conn, "select current_setting('work_mem') || current_setting('lock_timeout') || current_setting('timezone')"); got != "4MB3sEurope/Lisbon" {
		t.Error("in options:", got)
	}
	w = startWeir(t, weirOptions{Top: `ignore_startup_parameters = ["options"]`})
	conn = connect(t, w.DSN(`options='-c work_mem=7MB -d 5 -cTimeZone=Europe/Lisbon'`))
	if got := ask(t, conn, "select current_setting('work_mem') || current_setting('timezone')"); got != "4MBEurope/Lisbon" {
		t.Error("without options:", got)
	}
}

// startupWith sends a StartupMessage and collects what comes up to ReadyForQuery
// or an error.
func startupWith(t *testing.T, addr string, version uint32, params map[string]string) []pgproto3.BackendMessage {
	t.Helper()
	c := rawDial(t, addr)
	c.Say(t, &pgproto3.StartupMessage{ProtocolVersion: version, Parameters: params})
	var all []pgproto3.BackendMessage
	for {
		switch m := c.Next(t).(type) {
		case *pgproto3.NegotiateProtocolVersion:
			n := *m
			all = append(all, &n)
		case *pgproto3.BackendKeyData:
			all = append(all, &pgproto3.BackendKeyData{ProcessID: m.ProcessID, SecretKey: append([]byte(nil), m.SecretKey...)})
		case *pgproto3.ErrorResponse:
			e := *m
			return append(all, &e)
		case *pgproto3.ReadyForQuery:
			return all
		}
	}
}

func TestProtocolVersionsAreNegotiated(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`})
		for _, c := range []struct {
			name      string
			version   uint32
			options   []string
			negotiate uint32 // minor version in NegotiateProtocolVersion; 99 for none
			key       int
		}{
			{"3.0", 3 << 16, nil, 99, 4},
			{"3.1", 3<<16 | 1, nil, 0, 4},
			{"3.2", 3<<16 | 2, nil, 99, 32},
			{"3.9", 3<<16 | 9, nil, 2, 32},
			{"3.9999", 3<<16 | 9999, []string{"_pq_.grease"}, 2, 32},
			{"3.0 with options", 3 << 16, []string{"_pq_.one", "_pq_.two"}, 0, 4},
			{"3.2 with an option", 3<<16 | 2, []string{"_pq_.one"}, 2, 32},
		} {
			t.Run(mode+" "+c.name, func(t *testing.T) {
				params := map[string]string{"user": "postgres", "database": w.DB}
				for _, o := range c.options {
					params[o] = "x"
				}
				negotiated, keys := uint32(99), 0
				for _, m := range startupWith(t, w.Addr(), c.version, params) {
					switch m := m.(type) {
					case *pgproto3.NegotiateProtocolVersion:
						negotiated = m.NewestMinorProtocol & 0xffff
						if len(m.UnrecognizedOptions) != len(c.options) {
							t.Errorf("options %v, sent %v", m.UnrecognizedOptions, c.options)
						}
					case *pgproto3.BackendKeyData:
						keys++
						if len(m.SecretKey) != c.key {
							t.Errorf("a key of %d bytes, want %d", len(m.SecretKey), c.key)
						}
					case *pgproto3.ErrorResponse:
						t.Errorf("%+v", m)
					}
				}
				if negotiated != c.negotiate || keys != 1 {
					t.Errorf("negotiated %d, want %d; %d keys", negotiated, c.negotiate, keys)
				}
			})
		}
		for _, version := range []uint32{2 << 16, 4 << 16, 1} {
			answer := startupWith(t, w.Addr(), version, map[string]string{"user": "postgres"})
			if e, ok := answer[len(answer)-1].(*pgproto3.ErrorResponse); !ok || e.Code != "0A000" || e.Severity != "FATAL" {
				t.Errorf("version %d: %+v", version, answer)
			}
		}
	}
}

func TestEncryptionRequestsAreAnsweredWithN(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	c := rawDial(t, w.Addr())
	for _, request := range []pgproto3.FrontendMessage{&pgproto3.GSSEncRequest{}, &pgproto3.SSLRequest{}} {
		c.Say(t, request)
		var answer [1]byte
		if _, err := c.net.Read(answer[:]); err != nil || answer[0] != 'N' {
			t.Fatalf("%T: %q, %v", request, answer, err)
		}
	}
	c.Say(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "postgres", "database": w.DB}})
	if m, ok := c.Next(t).(*pgproto3.AuthenticationOk); !ok {
		t.Errorf("%+v", m)
	}
}

func TestALoginWithoutUserOrToAnUnknownDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	for _, c := range []struct {
		params map[string]string
		code   string
	}{
		{map[string]string{"database": w.DB}, "28000"},
		{map[string]string{"user": "postgres", "database": "nowhere"}, "3D000"},
		{map[string]string{"user": "postgres"}, "3D000"},
	} {
		answer := startupWith(t, w.Addr(), 3<<16, c.params)
		if e, ok := answer[len(answer)-1].(*pgproto3.ErrorResponse); !ok || e.Code != c.code || e.Severity != "FATAL" {
			t.Errorf("%v: %+v", c.params, answer)
		}
	}
}
