package main

import (
	"fmt"
	"runtime"
	"syscall"
)

// arrival is a client that logs in.
type arrival struct {
	*client
	proof  scramProof
	awaits uint32 // the kind of authentication request; 0: ReadyForQuery
	buf    [512]byte
	n      int // bytes of buf that have come
}

// logInAtOnce connects so many clients, each of which begins its login at once, and
// returns when all are in. For each that gets in, one of others leaves. The caller closes
// those that are returned, also after an error.
func logInAtOnce(to *access, n int, others []*client) (clients []*client, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clients = others
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return clients, err
	}
	defer func() { _ = syscall.Close(epoll) }()
	arrivals := make([]arrival, n)
	for i := range arrivals {
		a := &arrivals[i]
		*a = arrival{proof: to.keys.proof(), awaits: authSASL}
		if a.client, err = to.reach(); err != nil {
			return clients, fmt.Errorf("client %d: %w", i+1, err)
		}
		clients = append(clients, a.client)
		if err := a.send(startupMessage(to.user, database)); err != nil {
			return clients, fmt.Errorf("client %d: %w", i+1, err)
		}
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, a.fd, &event); err != nil {
			return clients, err
		}
	}
	events := make([]syscall.EpollEvent, 256)
	for in := 0; in < n; {
		k, err := syscall.EpollWait(epoll, events, answerDeadline*1000)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return clients, err
		case k == 0:
			return clients, fmt.Errorf("%d of %d clients are not in after %d s", n-in, n, answerDeadline)
		}
		for _, event := range events[:k] {
			ready, err := arrivals[event.Fd].goOn()
			if err != nil {
				return clients, fmt.Errorf("client %d: %w", event.Fd+1, err)
			}
			if !ready {
				continue
			}
			if in++; len(clients) > n {
				clients[0].close()
				clients = clients[1:]
			}
		}
	}
	return clients, nil
}

// goOn reads what has come, and answers it. It is true when the client is in.
func (a *arrival) goOn() (ready bool, err error) {
	if a.awaits == 0 {
		return a.receive(a.buf[:])
	}
	n, err := a.read(a.buf[a.n:])
	if err != nil {
		return false, err
	}
	a.n += n
	text, whole, err := authRequest(a.buf[:a.n], a.awaits)
	if err != nil || !whole {
		return false, err
	}
	a.n = 0
	if a.awaits == authSASL {
		a.awaits = authSASLContinue
		return false, a.send(a.proof.first())
	}
	a.awaits = 0
	final, err := a.proof.final(text)
	if err != nil {
		return false, err
	}
	return false, a.send(final)
}
