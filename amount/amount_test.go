package amount

import (
	"testing"
	"time"
)

func TestAmounts(t *testing.T) {
	for n, want := range map[int64]string{-1: "unknown", 0: "0 bytes", 1: "1 byte", 1023: "1,023 bytes", 1536: "1.50 kB", 1 << 20: "1.00 MB", 268 << 20: "268 MB",
		9999 << 20: "9,999 MB", 10000<<20 - 1: "9.77 GB", 3 << 29: "1,536 MB", 5 << 40: "5,120 GB", 500 << 40: "500 TB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 1234567: "1,234,567", -1: "-1", -1234: "-1,234", -123: "-123"} {
		if got := Count(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{-time.Second: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 90 * time.Second: "1 min 30 s",
		2*time.Hour + time.Second: "2 h", 25*time.Hour + 3*time.Minute: "1 d 1 h", 400 * 24 * time.Hour: "400 d"} {
		if got := Lasting(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0", 350 * time.Microsecond: "350 µs", 2500 * time.Microsecond: "2.5 ms",
		999 * time.Millisecond: "999 ms", 2500 * time.Millisecond: "2.5 s", 12 * time.Second: "12 s"} {
		if got := Brief(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0.00", 1500 * time.Microsecond: "1.50", 9999 * time.Microsecond: "10.0", 54321 * time.Microsecond: "54.3",
		100 * time.Millisecond: "100", 12345 * time.Millisecond: "12,345"} {
		if got := Millis(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
	if got := Right("–", 3); got != "  –" {
		t.Errorf("%q", got)
	}
}
