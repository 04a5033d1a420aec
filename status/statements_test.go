package status

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// statements are the fields that hold texts of clients' statements.
var statements = []string{"Pins.Statement", "Leaks.Statement", "Shapes.Statement", "Censuses.Processes.Query"}

// harmless are the other texts: names, addresses, words of ours and of
// PostgreSQL's. A new text belongs to one of the two lists.
var harmless = []string{
	"Pools.Refusal", "Pools.LoadBalanceHosts", "Pools.Hosts.Addr", "Pools.Hosts.Away",
	"Version", "Mode", "NotReady", "Engine.Name", "Engine.Reason",
	"Databases.Name", "Databases.Host", "Databases.Database", "Databases.ForceUser", "Databases.PoolMode", "Databases.LoadBalanceHosts",
	"Users.Name", "Users.PoolMode",
	"DNSHosts.Name", "DNSHosts.Addrs",
	"Pools.Database", "Pools.User", "Pools.Mode", "Pools.PinnedBy.key", "Pools.Evidence.Shapes.key",
	"Pins.Database", "Pins.User", "Pins.Reasons", "Pins.ApplicationName", "Pins.Addr",
	"Leaks.Database", "Leaks.User", "Leaks.Kinds", "Leaks.ApplicationName",
	"Listeners.Database", "Listeners.User", "Listeners.Channel",
	"Shapes.Database", "Shapes.User", "Shapes.State",
	"Logins.ByAddress.Addr",
	"AuthQuery.Sources.Server", "AuthQuery.Sources.Database", "AuthQuery.Sources.User", "AuthQuery.Sources.Error",
	"Savings.MemorySource",
	"Censuses.Server.Version", "Censuses.Server.Host",
	"Censuses.Processes.Kind", "Censuses.Processes.Role", "Censuses.Processes.User", "Censuses.Processes.Database",
	"Censuses.Processes.Application", "Censuses.Processes.State", "Censuses.Processes.Wait",
	"Censuses.Processes.Client.Addr", "Censuses.Processes.Client.Pin",
	"Censuses.Findings.ID", "Censuses.Findings.Severity", "Censuses.Findings.Text", "Censuses.Findings.Advice",
	"Censuses.Limits.Roles.key", "Censuses.Limits.Databases.key",
	"Config.Key", "Config.Value", "Config.Default", "PgBouncerConfig.Key", "PgBouncerConfig.Value", "PgBouncerConfig.Default",
	"Certificates.Setting", "Certificates.File", "Certificates.Subject",
	"Findings.ID", "Findings.Severity", "Findings.Text", "Findings.Advice",
}

// connTexts are those of Clients and Servers.
var connTexts = []string{"User", "Database", "State", "Addr", "LocalAddr", "TLS", "ApplicationName", "Settings", "Pin", "Replication"}

// texts puts a text into every place of v that can hold one, and notes its name.
func texts(v reflect.Value, name string, found map[string]bool) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("secret in " + name)
		found[name] = true
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		texts(v.Elem(), name, found)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		texts(v.Index(0), name, found)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		texts(key, name+".key", found)
		texts(value, name+".value", found)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			field := v.Type().Field(i)
			within := name + "." + field.Name
			if field.Anonymous {
				within = name
			}
			texts(v.Field(i), strings.TrimPrefix(within, "."), found)
		}
	}
}

func TestEveryTextIsKnownToBeAStatementOrNot(t *testing.T) {
	found := map[string]bool{}
	texts(reflect.ValueOf(new(Snapshot)).Elem(), "", found)
	known := append(slices.Clone(statements), harmless...)
	for _, of := range []string{"Clients", "Servers"} {
		for _, text := range connTexts {
			known = append(known, of+"."+text)
		}
	}
	for _, name := range known {
		if !found[name] {
			t.Errorf("there is no %s", name)
		}
		delete(found, name)
	}
	for name := range found {
		t.Errorf("%s is new: is it the text of a statement, which WithoutStatements has to hide?", name)
	}
}

func TestWithoutStatementsHidesThemAndNothingElse(t *testing.T) {
	s, same := new(Snapshot), new(Snapshot)
	texts(reflect.ValueOf(s).Elem(), "", map[string]bool{})
	texts(reflect.ValueOf(same).Elem(), "", map[string]bool{})
	out := s.WithoutStatements()
	if !reflect.DeepEqual(s, same) {
		t.Error("the snapshot itself has changed")
	}
	for _, p := range []*string{&out.Pins[0].Statement, &out.Leaks[0].Statement, &out.Shapes[0].Statement, &out.Censuses[0].Processes[0].Query} {
		if *p != Hidden {
			t.Errorf("%q is there", *p)
		}
		*p = ""
	}
	for _, p := range []*string{&s.Pins[0].Statement, &s.Leaks[0].Statement, &s.Shapes[0].Statement, &s.Censuses[0].Processes[0].Query} {
		*p = ""
	}
	if got, want := fmt.Sprintf("%+v", *out.Censuses[0]), fmt.Sprintf("%+v", *s.Censuses[0]); !reflect.DeepEqual(out, s) {
		t.Errorf("more than statements is hidden:\n%s\n%s", got, want)
	}
	if out := new(Snapshot).WithoutStatements(); !reflect.DeepEqual(out, new(Snapshot)) {
		t.Errorf("nothing became %+v", out)
	}
	none := (&Census{Processes: []Process{{PID: 1}}}).WithoutStatements()
	if q := none.Processes[0].Query; q != "" {
		t.Errorf("a process without a statement has %q", q)
	}
}
