package proof

import "testing"

func TestTransactionControlIsNeverConvicted(t *testing.T) {
	var table Table
	shapes := func(texts ...string) (all []*Shape) {
		for i, text := range texts {
			s := table.Add(uint64(i+1), []byte(text))
			s.Renew(1, nil)
			all = append(all, s)
		}
		return all
	}
	ran := shapes("begin", "insert into t values (1)", "COMMIT ;")
	Convict(ran, nil)
	for i, want := range []Standing{Unproven, Leaves, Unproven} {
		if got := ran[i].Standing(); got != want {
			t.Errorf("%q: %v, want %v", ran[i].Text(), got, want)
		}
	}
}

func TestWhatIsTransactionControl(t *testing.T) {
	for text, want := range map[string]bool{
		"begin": true, "START TRANSACTION READ ONLY": true, "commit; begin": true, "savepoint a": true, "release savepoint a;": true,
		"rollback to a": true, "end": true, "begin; select f(); commit": false, "select 1": false, "commit prepared 'a'": false, "": false,
	} {
		if got := controls([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
