package throttle

import "sync"

// mutex is a lock that calls functions when it is free again.
type mutex struct {
	sync.Mutex
	calls []func() // under the lock
}

// Unlock frees the lock, and makes the calls.
func (m *mutex) Unlock() {
	calls := m.calls
	m.calls = nil
	m.Mutex.Unlock()
	for _, call := range calls {
		call()
	}
}
