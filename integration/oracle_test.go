package integration

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// oracleSchema is what the scripts find.
const oracleSchema = `
create table items (id int primary key, word text, n int check (n < 1000));
create table child (id int references items deferrable initially deferred);
insert into items select i, 'word ' || i, i from generate_series(1, 100) i;
create function grumble(text) returns int language plpgsql as $$
begin
  raise exception 'grumble %', $1 using errcode = 'GR001', detail = 'a detail', hint = 'a hint',
    schema = 'public', table = 'items', column = 'word', constraint = 'none', datatype = 'text';
end $$;
create function say(text) returns int language plpgsql as $$ begin raise notice 'said %', $1; return 1; end $$;
create procedure halves() language plpgsql as $$
begin
  insert into items values (5001, 'first half');
  commit;
  insert into items values (5002, 'second half');
  rollback;
end $$;
`

// modeLetters are the letters of pool modes in script.modes.
var modeLetters = map[string]string{"session": "s", "transaction": "t", "statement": "p"}

func TestEveryScriptReadsTheSameWithAndWithoutPgweir(t *testing.T) {
	t.Parallel()
	for mode, letter := range modeLetters {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			size := "2"
			if mode == "session" {
				size = "5"
			}
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = " + size})
			execSQL(t, w.Direct(), oracleSchema)
			direct := net.JoinHostPort("127.0.0.1", strconv.Itoa(w.PG.Port))
			for _, s := range scripts() {
				modes := s.modes
				if modes == "" {
					modes = "st"
				}
				if !strings.Contains(modes, letter) {
					continue
				}
				t.Run(s.name, func(t *testing.T) {
					want := transcribe(t, direct, w.DB, &s, nil)
					// Another client uses the same backends all the time, and
					// leaves them with other settings and statements.
					other := rawLogin(t, w.Addr(), "postgres", w.DB, "application_name", "other", "TimeZone", "Asia/Tokyo", "DateStyle", "German")
					defer other.net.Close()
					got := transcribe(t, w.Addr(), w.DB, &s, func() { interfere(t, other) })
					if want, got := reportsSorted(want), reportsSorted(got); want != got {
						t.Errorf("differs behind\n%s", differing(want, got))
					}
				})
			}
		})
	}
}

// interfere makes an unnamed statement and a portal on whatever backend there is.
func interfere(t *testing.T, c *rawConn) {
	t.Helper()
	c.Say(t, parse("", "select 'other', $1::int"), bind("", "7"), execute("", 0), sync_)
	rows := 0
	for {
		switch m := c.Next(t).(type) {
		case *pgproto3.DataRow:
			rows++
			if string(m.Values[0]) != "other" || string(m.Values[1]) != "7" {
				t.Errorf("the other client got %q", m.Values)
			}
		case *pgproto3.ErrorResponse:
			t.Errorf("the other client got %+v", m)
		case *pgproto3.ReadyForQuery:
			if rows != 1 {
				t.Errorf("the other client got %d rows", rows)
			}
			return
		}
	}
}
