package loop

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// BenchmarkEcho is a message to a loop and back.
func BenchmarkEcho(b *testing.B) {
	for _, kind := range pairs {
		b.Run(kind.name, func(b *testing.B) {
			l := start(b, Options{})
			fd, peer := kind.make(b)
			attach(b, l, fd, echo())
			roundTrips(b, peer, 100)
		})
	}
	b.Run("TLS", func(b *testing.B) {
		l := start(b, Options{})
		_, peer := secured(b, l, false, tls.VersionTLS13, echo(), nil)
		roundTrips(b, peer, 100)
	})
}

func roundTrips(b *testing.B, peer net.Conn, size int) {
	peer.SetDeadline(time.Time{})
	p := make([]byte, size)
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		if _, err := peer.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(peer, p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkForward is bulk data through two connections of a loop.
func BenchmarkForward(b *testing.B) {
	l := start(b, Options{})
	fd1, left := pair(b)
	fd2, right := pair(b)
	f1, f2 := new(forward), new(forward)
	c1, c2 := new(Conn), new(Conn)
	c1.Init(fd1, f1)
	c2.Init(fd2, f2)
	f1.to, f2.to = c2, c1
	add(b, l, c1)
	add(b, l, c2)
	left.SetDeadline(time.Time{})
	right.SetDeadline(time.Time{})
	const size = 1 << 20
	p, q := make([]byte, size), make([]byte, size)
	b.ReportAllocs()
	b.SetBytes(size)
	for b.Loop() {
		done := writeAll(left, p)
		if _, err := io.ReadFull(right, q); err != nil {
			b.Fatal(err)
		}
		<-done
	}
}

// BenchmarkHandOver is one Park and one Claim by another loop.
func BenchmarkHandOver(b *testing.B) {
	loops := [2]*Loop{start(b, Options{}), start(b, Options{})}
	fd, _ := pair(b)
	c := attach(b, loops[0], fd, echo())
	on(b, loops[0], c.Park)
	i := 0
	for b.Loop() {
		i++
		l := loops[i%2]
		on(b, l, func() {
			c.Claim(l)
			c.Park()
		})
	}
}
