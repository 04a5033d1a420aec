package wire

import (
	"strings"
	"testing"
)

const traced = "traceparent='" + sampledOne + "'"

func TestATracestateIsFoundBesideItsTraceparent(t *testing.T) {
	most := strings.Repeat("a", maxTracestate-2)
	for text, want := range map[string]string{
		"select 1 /*" + traced + ",tracestate='congo%3Dt61rcWkgMzE%2Crojo%3D00f067aa0ba902b7'*/":              "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
		"/*tracestate='congo=t61,rojo=00f'," + traced + "*/ select 1":                                         "congo=t61,rojo=00f",
		"select 1 /*tracestate:congo%3Dt61%2Crojo%3D1,traceparent:" + sampledOne + "*/;\n":                    "congo=t61,rojo=1",
		"select 1 /* " + traced + " , tracestate = 'a=1' */":                                                  "a=1",
		"select 1 /*my_tracestate='b=1'," + traced + ",tracestate='a=1'*/":                                    "a=1",
		"/*tracestate='b=1'*/ select 1 /*" + traced + "*/":                                                    "",
		"select 1 /*" + traced + "*/ /*tracestate='b=1'*/":                                                    "",
		"select 1 /*" + traced + "*/":                                                                         "",
		"select 1 /*tracestate='a=1'*/":                                                                       "",
		"select 1 /*" + traced + ",tracestate='a%3'*/":                                                        "",
		"select 1 /*" + traced + ",tracestate='a=1*/":                                                         "",
		"select 1 /*" + traced + ",tracestate*/":                                                              "",
		"select 1 /*" + traced + ",tracestate=*/":                                                             "",
		"select 1 /*" + traced + ",tracestate='a=" + most + "'*/":                                             "a=" + most,
		"/*" + traced + ",tracestate='a%3D" + strings.ReplaceAll(most, "a", "%61") + "'*/ select 1":           "a=" + most,
		"select 1 /*" + traced + ",tracestate='a=" + most + "a'*/":                                            "",
		strings.Repeat("x", 5000) + "/*" + traced + ",tracestate='a=" + most + "'*/":                          "a=" + most,
		strings.Repeat("x", 5000) + "/*" + strings.Repeat("y", 1500) + "," + traced + ",tracestate='a=1'*/ ;": "a=1",
	} {
		if got := FindTracestate([]byte(text)); got != want {
			t.Errorf("%.100s: %q, want %q", text, got, want)
		}
	}
}

// FuzzFindTracestate: there is none without a traceparent, and none that is too long.
func FuzzFindTracestate(f *testing.F) {
	for _, seed := range []string{"", "select 1 /*" + traced + ",tracestate='a%3D1'*/", "/*" + traced + ",tracestate:a=1*/ x", "/*tracestate=%" + traced + "*/", "/*" + traced + "tracestate='"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		state := FindTracestate(text)
		if _, ok := FindTraceparent(text); !ok && state != "" {
			t.Fatalf("%q without a traceparent", state)
		}
		if len(state) > maxTracestate {
			t.Fatalf("%d bytes", len(state))
		}
	})
}
