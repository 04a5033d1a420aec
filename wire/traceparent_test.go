package wire

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

const (
	traceDigits = "0af7651916cd43dd8448eb211c80319c"
	spanDigits  = "b7ad6b7169203331"
	sampledOne  = "00-" + traceDigits + "-" + spanDigits + "-01"
)

func TestATraceparentIsFound(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, text := range []string{
		"select 1 /*traceparent='" + sampledOne + "'*/",
		"/*traceparent='" + sampledOne + "'*/ select 1",
		"/* traceparent = '" + sampledOne + "' */ select 1",
		"select 1 /*action='%2Fparam*d',controller='index,',traceparent='" + sampledOne + "',tracestate='a%3D1'*/;\n",
		"select 1 /*app:a,traceparent:" + sampledOne + "*/",
		"select 1 /*traceparent:" + sampledOne + ",b:c*/",
		"select '" + long + "' /*traceparent='" + sampledOne + "'*/",
		"/*traceparent='" + sampledOne + "'*/ select '" + long + "'",
		"select 1 /*route='" + long + "',traceparent='" + sampledOne + "'*/",
		"select 1 /*traceparent='cc-" + sampledOne[3:] + "-what-comes-later'*/",
		"/*traceparent='00-bad'*/ select 1 /*traceparent='" + sampledOne + "'*/",
		"/*traceparent='" + sampledOne + "'*/ select 1 /*traceparent='00-bad'*/",
	} {
		tp, ok := FindTraceparent([]byte(text))
		if !ok || hex.EncodeToString(tp.Trace[:]) != traceDigits || hex.EncodeToString(tp.Span[:]) != spanDigits || !tp.Sampled {
			t.Errorf("%.100s: %v, %v", text, tp, ok)
		}
	}
	if tp, ok := FindTraceparent([]byte("/*traceparent='" + sampledOne[:53] + "02'*/")); !ok || tp.Sampled {
		t.Errorf("without the flag: %v, %v", tp, ok)
	}
}

func TestWhatIsNoTraceparentIsNotFound(t *testing.T) {
	middle := strings.Repeat("x", 2*commentWithin)
	for _, text := range []string{
		"", "select 1", "traceparent", "select traceparent from t", "/*traceparent", "/*traceparent=", "/*traceparent='",
		"select 'traceparent=" + sampledOne + "' /* a */",
		"/* a */ select 'traceparent=" + sampledOne + "*/'",
		"/*traceparent='" + sampledOne + "'",
		"/*traceparent='" + sampledOne[:54] + "'*/",
		"/*traceparent='" + sampledOne + "1'*/",
		"/*traceparent='" + sampledOne + "-more'*/",
		"/*traceparent='ff-" + sampledOne[3:] + "'*/",
		"/*traceparent='0g-" + sampledOne[3:] + "'*/",
		"/*traceparent='" + strings.ToUpper(sampledOne) + "'*/",
		"/*traceparent='" + strings.ReplaceAll(sampledOne, "-", "_") + "'*/",
		"/*traceparent='00-" + strings.Repeat("0", 32) + "-" + spanDigits + "-01'*/",
		"/*traceparent='00-" + traceDigits + "-" + strings.Repeat("0", 16) + "-01'*/",
		"/*my_traceparent='" + sampledOne + "'*/",
		middle + "/*traceparent='" + sampledOne + "'*/" + middle,
	} {
		if tp, ok := FindTraceparent([]byte(text)); ok {
			t.Errorf("%.100s: %v", text, tp)
		}
	}
}

func TestTheSearchForATraceparentAllocatesNothing(t *testing.T) {
	for _, text := range []string{"select 1", "select 1 /*traceparent='" + sampledOne + "'*/", strings.Repeat("x", 100000)} {
		b := []byte(text)
		if n := testing.AllocsPerRun(100, func() { FindTraceparent(b) }); n != 0 {
			t.Errorf("%.30s: %v allocations", text, n)
		}
	}
}

// FuzzFindTraceparent: what is found stands in the text, digit by digit, and far from
// its ends nothing is.
func FuzzFindTraceparent(f *testing.F) {
	for _, seed := range []string{"", "select 1", "select 1 /*traceparent='" + sampledOne + "'*/", "/*traceparent:" + sampledOne + "*/ x", "/*traceparent", "/*traceparent='" + sampledOne} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tp, ok := FindTraceparent(text)
		if !ok {
			if tp != (Traceparent{}) {
				t.Fatalf("nothing is found, and %v", tp)
			}
			return
		}
		said := []byte(hex.EncodeToString(tp.Trace[:]) + "-" + hex.EncodeToString(tp.Span[:]) + "-")
		if !bytes.Contains(text, said) || tp.Trace == [16]byte{} || tp.Span == [8]byte{} {
			t.Fatalf("%v is found in %q", tp, text)
		}
	})
}
