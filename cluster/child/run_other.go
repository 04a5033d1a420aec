//go:build !linux

package child

import "syscall"

// run starts the command and reaps it. There is no parent-death signal here.
func (p *Process) run(_ syscall.Signal, started chan<- error) {
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.done)
}
