package proxy

// gate bounds how many of some tasks run at a time.
type gate chan struct{}

func newGate(n int) gate { return make(gate, max(n, 1)) }

// do runs f, when fewer than the bound run.
func (g gate) do(f func()) {
	g <- struct{}{}
	defer func() { <-g }()
	f()
}
