package config

import "testing"

func TestTheNearestAuthQuerySettingsHold(t *testing.T) {
	c := mustParse(t, `
auth_user = "asker"
auth_query = "select $1, 1"
[databases.app]
[databases.own]
auth_user = "another"
auth_query = "select $1, 2"
auth_dbname = "app"
host = "elsewhere"
`)
	for _, tc := range []struct{ name, user, database, query string }{
		{"app", "asker", "app", "select $1, 1"},
		{"own", "another", "app", "select $1, 2"},
	} {
		q, ok := c.AuthQueryFor(tc.name)
		if !ok || q.User != tc.user || q.Query != tc.query || q.Database.Name != tc.database || q.Database.Host != "" {
			t.Errorf("%s: %+v, %v", tc.name, q, ok)
		}
	}
	for _, name := range []string{"pgweir", "nowhere"} {
		if q, ok := c.AuthQueryFor(name); ok {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

func TestAuthDBNameServesTheConsoleAndNamesThatAreNoDatabase(t *testing.T) {
	c := mustParse(t, "auth_user = 'asker'\nauth_dbname = 'app'\n[databases.app]")
	for _, name := range []string{"pgweir", "pgbouncer", "nowhere", "app"} {
		if q, ok := c.AuthQueryFor(name); !ok || q.Database.Name != "app" || q.Query != defaultAuthQuery {
			t.Errorf("%s: %+v, %v", name, q, ok)
		}
	}
}

func TestOfANameThatAClientHasMadeUpThereIsAHome(t *testing.T) {
	c := mustParse(t, "auth_user = 'asker'\n[databases.'*']\nhost = 'h'\n[databases.app]")
	q, _ := c.AuthQueryFor("made up")
	if q.Database.DBName != "made up" || q.Home == nil || q.Home.DBName != "postgres" || q.Home.Host != "h" {
		t.Errorf("%+v", q)
	}
	for _, text := range []string{
		"auth_user = 'asker'\n[databases.'*']\n[databases.'made up']", "auth_user = 'asker'\n[databases.'*']\ndbname = 'one'",
		"auth_user = 'asker'\nauth_dbname = 'x'\n[databases.'*']",
	} {
		if q, ok := mustParse(t, text).AuthQueryFor("made up"); !ok || q.Home != nil {
			t.Errorf("%s: %+v, %v", text, q, ok)
		}
	}
}

func TestWhoWantsNoDatabaseIsAskedAboutWhereTheFirstIs(t *testing.T) {
	for text, want := range map[string]string{
		"auth_user = 'asker'\n[databases.b]\n[databases.c]":                    "b",
		"auth_user = 'asker'\n[databases.'*']\n[databases.c]":                  "c",
		"auth_user = 'asker'\n[databases.'*']":                                 "postgres",
		"[databases.a]\n[databases.b]\nauth_user = 'asker'\nauth_dbname = 'a'": "a",
	} {
		if q, ok := mustParse(t, text).AuthQueryForNone(); !ok || q.Database.DBName != want {
			t.Errorf("%s: %+v, %v", text, q, ok)
		}
	}
	if q, ok := mustParse(t, "[databases.a]").AuthQueryForNone(); ok {
		t.Errorf("%+v", q)
	}
}

func TestWithoutAuthUserNobodyAsks(t *testing.T) {
	c := mustParse(t, "auth_dbname = 'app'\n[databases.app]\n[databases.own]\nauth_user = 'asker'")
	if _, ok := c.AuthQueryFor("app"); ok {
		t.Error("somebody asks")
	}
	if q, ok := c.AuthQueryFor("own"); !ok || q.User != "asker" {
		t.Errorf("%+v, %v", q, ok)
	}
}

func TestProblemsOfAuthQueryAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"auth_query = 'select 1'":                                                    "config.toml:1: auth_query: has no $1 for the user's name",
		"auth_user = 'a'\nauth_query = ''":                                           "config.toml:2: auth_query: is empty, and auth_user is set",
		"auth_dbname = 'x'\n[databases.app]":                                         "config.toml:1: auth_dbname: there is no [databases.x]",
		"auth_dbname = 'pgweir'\n[databases.'*']":                                    `config.toml:1: auth_dbname: "pgweir" is the admin console's name`,
		"[databases.app]\nauth_dbname = 'x'":                                         "config.toml:2: databases.app.auth_dbname: there is no [databases.x]",
		"[databases.app]\nauth_query = 'select 1'":                                   "config.toml:2: databases.app.auth_query: has no $1 for the user's name",
		"auth_dbname = 'app'\n[databases.app]":                                       "config.toml:1: auth_dbname: set without auth_user, who asks there",
		"[databases.app]\nauth_dbname = 'app'\n[databases.b]\nauth_user = 'a'":       "config.toml:2: databases.app.auth_dbname: set without auth_user, who asks there",
		"auth_user = 'a'\nauth_dbname = 'x'\n[databases.'*']\nauth_query = '$1, $1'": "",
		"auth_user = 'a'\n[databases.app]\nauth_dbname = 'app'":                      "",
	} {
		if got := problemsOf(t, text); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}
