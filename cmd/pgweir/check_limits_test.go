package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgweir/authquery"
	"pgweir/passwords"
	"pgweir/status"
)

const scram = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" +
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// As the users' passwords are not known, the logins of census_user and auth_user are.
func TestCheckAsksAsCensusUserAndAuthUserWhereUsersHaveNoPlainPassword(t *testing.T) {
	refused, dead := errors.New("as user: refused"), &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	const uncompared = "warning: server db:5432: not compared with its max_connections: "
	const users = "[databases.app]\nhost='db'\n[users.carol]\npassword='" + scram + "'\n"
	const census, asker = "census_user='watcher'\ncensus_password='w'\n", "auth_user='asker'\n"
	for name, c := range map[string]struct {
		text  string
		errs  []error
		asked string
		want  []string // warnings of the server
	}{
		"nobody":                 {users, nil, "", []string{uncompared + "no user with a plain-text password is known"}},
		"census_user":            {census + users, nil, "watcher:w@postgres", []string{"warning: server db:5432: the pools can open"}},
		"census_user is refused": {census + users, []error{refused}, "watcher:w@postgres", []string{"warning: server db:5432: census_user cannot log in: as user: refused", uncompared + "no user"}},
		"auth_user":              {asker + users + "[users.asker]\npassword='a'\n", []error{refused}, "asker:a@app asker:a@app", []string{"warning: server db:5432: the pools can open"}},
		"auth_user on several hosts": {asker + strings.Replace(users, "'db'", "'db, standby'", 1) + "[users.asker]\npassword='a'\n", []error{refused, nil, refused}, "asker:a@app asker:a@app asker:a@app asker:a@app",
			[]string{"warning: server db:5432: the pools can open", "warning: server standby:5432: the pools can open"}},
		"auth_user alone":        {census + asker + users, []error{refused}, "watcher:w@postgres asker:@app", []string{"warning: server db:5432: census_user cannot log in: as user: refused", "warning: server db:5432: the pools can open"}},
		"a dead server":          {census + asker + users, []error{dead}, "watcher:w@postgres", []string{uncompared + "dial"}},
		"a user with a password": {census + users + "[users.bob]\npassword='y'\n", []error{nil, refused}, "bob:y@app watcher:w@postgres", []string{"warning: server db:5432: census_user cannot log in: as user: refused", "warning: server db:5432: the pools can open"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			server := &scriptedServer{errs: c.errs, limits: status.ServerLimits{MaxConnections: 1}}
			ck := checker{out: &out, ask: server.ask, tryQuery: func(context.Context, authquery.Source, passwords.List, string) error { return nil }}
			if err := ck.run(t.Context(), writeConfig(t, c.text)); err != nil {
				t.Fatalf("%v: %s", err, &out)
			}
			var asked []string
			for _, l := range server.asked {
				if strings.Contains(l.host, ",") {
					t.Errorf("the server asked is one of %s", l.host)
				}
				asked = append(asked, l.user+":"+l.password+"@"+l.dbname)
			}
			if got := strings.Join(asked, " "); got != c.asked {
				t.Errorf("asked as %s, want %s", got, c.asked)
			}
			var got []string
			for line := range strings.Lines(out.String()) {
				if strings.HasPrefix(line, "warning: server") {
					got = append(got, strings.TrimSpace(line))
				}
			}
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
