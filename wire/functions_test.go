package wire

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var testFunctions = NewFunctions([]Function{
	{Name: "set_tenant", Hints: HintSetConfig, Settings: []string{"app.tenant"}},
	{Name: "lock_it", Hints: HintAdvisoryLock},
	{Name: "Mixed Case", Hints: HintTemp, Unknown: true},
	{Name: `with"quote`, Hints: HintListen},
	{Name: "e", Hints: HintLoad},
	{Name: "set_tenant", Hints: HintSet, Settings: []string{"app.tenant", "role"}, Unknown: true},
	{Name: strings.Repeat("é", 31), Hints: HintHold},
	{Name: "a$b", Hints: HintDo},
	{Name: "été", Hints: HintDblink},
})

func TestCallsFindsLearnedFunctions(t *testing.T) {
	const tenant, lock = HintSet | HintSetConfig | HintFunction, HintAdvisoryLock | HintFunction
	for _, c := range []struct {
		sql  string
		want Hints
	}{
		{"", 0},
		{"(", 0},
		{"select 1", 0},
		{"select count(*), coalesce(a, now()) from t", 0},
		{"select set_tenant(1)", tenant},
		{"select SET_Tenant ( 1 )", tenant},
		{"select set_tenant(1), lock_it(2)", tenant | lock},
		{"call app.lock_it(1)", lock},
		{"select * from lock_it(1)", lock},
		{`select "lock_it"(1)`, lock},
		{`"lock_it"(1)`, lock},
		{`lock_it(1)`, lock},
		{`select "app"."lock_it" (1)`, lock},
		{`select "LOCK_IT"(1)`, 0},
		{"select lock_it", 0},
		{"select lock_it, (1)", 0},
		{"select xlock_it(1), lock_itx(1), lock_it$(1)", 0},
		{"select lock_it/* x */(1)", lock},
		{"select lock_it /* x */ /* y (lock) */ -- z\n (1)", lock},
		{"select lock_it -- x\r(1)", lock},
		{"select lock_it --\n(1)", lock},
		{"select /* x */ lock_it\n\t(1)", lock},
		{"select 'lock_it(1)', $$lock_it(1)$$, \"lock_it(1)\" -- lock_it(1)\n/* lock_it(1) */", 0},
		{"select $$a$$lock_it(1)", lock},
		{`select "Mixed Case"(1)`, HintTemp | HintFunction},
		{`select "mixed case"(1)`, 0},
		{`select "with""quote"(1)`, HintListen | HintFunction},
		{`select "quote"(1)`, 0},
		{"select e(1), e'('", HintLoad | HintFunction},
		{"select a$b(1)", HintDo | HintFunction},
		{"select été(1)", HintDblink | HintFunction},
		{"select " + strings.Repeat("é", 40) + "(1)", HintHold | HintFunction},
		{`select "` + strings.Repeat("é", 40) + `"(1)`, HintHold | HintFunction},
		{`select U&"lock_it"(1)`, lock},
		{`select U&"lock\005fit"(1)`, testFunctions.any},
		{`select U&"lock!005fit" UESCAPE '!' (1)`, testFunctions.any},
		{`select U&"lock\005fit"`, 0},
		{"select '(' || lock_it(1)", lock},
		{`select '\' || lock_it(1) || '`, lock},
		{`select "open(`, 0},
		{`select ""(1), "`, 0},
		{"select a / (b)", 0},
	} {
		if got := testFunctions.Calls([]byte(c.sql), false); got != c.want {
			t.Errorf("Calls(%q) = %b, want %b", c.sql, got, c.want)
		}
	}
	if got := testFunctions.Calls([]byte(`select '\' || lock_it(1) || '`), true); got != 0 {
		t.Errorf("a string with backslashes has the hints %b", got)
	}
}

func TestVisitGivesTheFunctionsThatAreCalled(t *testing.T) {
	visited := func(sql string) (names []string) {
		testFunctions.Visit([]byte(sql), false, func(f *Function) { names = append(names, f.Name) })
		return names
	}
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"select now()", nil},
		{"select lock_it(1), set_tenant(lock_it(2))", []string{"lock_it", "set_tenant", "lock_it"}},
		{"select /* x */ lock_it /* y */ (1)", []string{"lock_it"}},
	} {
		if got := visited(c.sql); !slices.Equal(got, c.want) {
			t.Errorf("Visit(%q) gives %q, not %q", c.sql, got, c.want)
		}
	}
	if got := visited(`select U&"\0061"(1)`); len(got) != 8 {
		t.Errorf("a name that cannot be read gives %q, not all functions", got)
	}
}

func TestFunctionsOfOneNameBecomeOne(t *testing.T) {
	list := []Function{
		{Name: "f", Hints: HintSet, Settings: []string{"a"}},
		{Name: "f", Hints: HintTemp, Settings: []string{"a", "b"}, Unknown: true},
	}
	f := NewFunctions(list)
	f.Visit([]byte("f()"), false, func(fn *Function) {
		if fn.Hints != HintSet|HintTemp || !slices.Equal(fn.Settings, []string{"a", "b"}) || !fn.Unknown {
			t.Errorf("%+v", *fn)
		}
	})
	if len(f.list) != 1 || !slices.Equal(list[0].Settings, []string{"a"}) {
		t.Errorf("%d functions; the list has become %+v", len(f.list), list)
	}
}

func TestTheEmptySetCallsNothing(t *testing.T) {
	for _, f := range []*Functions{nil, NewFunctions(nil)} {
		if f.Calls([]byte("select f(1)"), false) != 0 {
			t.Error("hints of no function")
		}
		f.Visit([]byte(`select f(1), U&"\0061"(1)`), false, func(*Function) { t.Error("a function of none") })
	}
}

func TestEveryFunctionOfManyIsFound(t *testing.T) {
	f := manyFunctions(1000)
	for i := range 1000 {
		sql := fmt.Sprintf("select app_function_%d(1)", i)
		if f.Calls([]byte(sql), false) != HintSet|HintFunction {
			t.Errorf("%s is not found", sql)
		}
	}
	if h := f.Calls([]byte("select app_function_1000(1)"), false); h != 0 {
		t.Errorf("one that is not in the set has the hints %b", h)
	}
}

func TestCallsAllocatesNothing(t *testing.T) {
	for _, sql := range []string{
		"select set_tenant(1)", `select "with""quote"(1), lock_it /* x */ (1)`, benchSelect,
		"select " + strings.Repeat("é", 100) + "(1)", `select "` + strings.Repeat("x", 1000) + `"(1)`,
	} {
		text := []byte(sql)
		if n := testing.AllocsPerRun(10, func() { testFunctions.Calls(text, false) }); n != 0 {
			t.Errorf("%v allocations for %.40q", n, sql)
		}
	}
}

func TestCallsTakesLinearTime(t *testing.T) {
	const n = 300_000
	for _, sql := range []string{
		strings.Repeat("\n(", n), strings.Repeat(`"(`, n), strings.Repeat("x(", n), strings.Repeat("-\n(", n),
		strings.Repeat("x", n) + "(", strings.Repeat(" ", n) + "(", strings.Repeat(`U&"\" `, n),
		strings.Repeat("-- \n(", n), strings.Repeat("$x", n) + "(",
	} {
		start := time.Now()
		testFunctions.Calls([]byte(sql), false)
		testFunctions.Visit([]byte(sql), false, func(*Function) {})
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.20q... took %v", sql, took)
		}
	}
}

// checkCalls compares the quick way with the thorough one.
func checkCalls(t *testing.T, sql []byte, nonconforming bool) {
	t.Helper()
	var want Hints
	testFunctions.Visit(sql, nonconforming, func(f *Function) { want |= f.Hints | HintFunction })
	if got := testFunctions.Calls(sql, nonconforming); got != want {
		t.Fatalf("%q: Calls finds %b, Visit %b", sql, got, want)
	}
}

func FuzzCalls(f *testing.F) {
	for _, s := range []string{
		"lock_it (1)", `"Mixed Case"/**/(`, "e--\n(", `"with""quote"(`, `u&"e"(`, `u&"\"uescape'' (`, "a$b('(", "$$e$$e(", `été"(`,
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(checkCalls)
}

func TestCallsMissesNothingInRandomStatements(t *testing.T) {
	pieces := []string{
		"lock_it", "e", "E", `"Mixed Case"`, `"with""quote"`, `"e"`, `U&"e"`, `u&"\0065"`, "uescape", "a$b", "été", "f", "1", ".",
		"(", "(", "(", "(", ")", " ", " ", "\n", "\r", "--", "-- x\n", "/*", "*/", "/* x */", "'", "'x'", `"`, `\`, "$", "$$", "&",
	}
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 200_000 {
		var sql []byte
		for range 1 + r.IntN(10) {
			sql = append(sql, pieces[r.IntN(len(pieces))]...)
		}
		checkCalls(t, sql, false)
		checkCalls(t, sql, true)
		if testFunctions.Calls(sql, false) != 0 {
			found++
		}
	}
	if found < 1000 {
		t.Errorf("only %d of these statements call anything", found)
	}
}

const benchSelect = `select o.id, o.created_at, c."name", coalesce(sum(i.price * i.quantity), 0) as total, count(*) from orders o
 join customers c on c.id = o.customer_id left join items i on (i.order_id = o.id) where o.state in ('open', 'paid')
 and o.created_at >= now() - $2::interval group by o.id, c."name" order by lower(c."name") limit 100`

func manyFunctions(n int) *Functions {
	var list []Function
	for i := range n {
		list = append(list, Function{Name: fmt.Sprintf("app_function_%d", i), Hints: HintSet})
	}
	return NewFunctions(list)
}

func BenchmarkCalls(b *testing.B) {
	sql := []byte(benchSelect)
	for _, n := range []int{0, 10, 1000} {
		f := manyFunctions(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(sql)))
			b.ReportAllocs()
			for b.Loop() {
				f.Calls(sql, false)
			}
		})
	}
	b.Run("called", func(b *testing.B) {
		f := manyFunctions(1000)
		sql := append(sql, " and app_function_7(1)"...)
		b.ReportAllocs()
		for b.Loop() {
			f.Calls(sql, false)
		}
	})
}
