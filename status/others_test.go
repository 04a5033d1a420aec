package status

import (
	"reflect"
	"testing"
	"time"
)

// numbered is a pool each of whose numbers is n.
func numbered(n int) (p Pool) {
	var fill func(reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Int, reflect.Int64:
			v.SetInt(int64(n))
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		case reflect.Slice:
			if v.Type() == reflect.TypeFor[[]uint64]() {
				v.Set(reflect.ValueOf([]uint64{uint64(n), uint64(n)}))
			}
		}
	}
	fill(reflect.ValueOf(&p).Elem())
	p.PinnedBy = map[string]int{"setting": n}
	return p
}

// TestOtherPoolsAreAddedUp, in each of their figures: one that is new is not forgotten.
func TestOtherPoolsAreAddedUp(t *testing.T) {
	pools := []Pool{numbered(4), numbered(1), numbered(2), {Database: "pgweir", User: "app", Number: 9}, numbered(3)}
	for i, name := range []string{"d", "a", "b", "", "c"} {
		if name != "" {
			pools[i].Database, pools[i].User = name, "app"
		}
	}
	if got := WithOthers(pools, 4); len(got) != 5 || &got[0] != &pools[0] {
		t.Errorf("as many as there may be: %d", len(got))
	}
	got := WithOthers(pools, 2)
	if len(got) != 4 || got[0].Database != "a" || got[1].Database != "b" || got[2].Database != "pgweir" {
		t.Fatalf("%+v", got)
	}
	want := numbered(7) // 4 + 3
	want.Database, want.User, want.Number = OthersName, OthersName, 0
	want.MaxWait, want.OldestPin, want.OldestQuery = 4, 4, 4 // the longest
	if !reflect.DeepEqual(got[3], want) {
		t.Errorf("got  %+v\nwant %+v", got[3], want)
	}
	if pools[0].Waits[0] != 4 || pools[0].PinnedBy["setting"] != 4 || pools[4].MaxWait != time.Duration(3) {
		t.Error("a pool itself has changed")
	}
}
