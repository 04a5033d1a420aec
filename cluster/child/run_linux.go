package child

import (
	"runtime"
	"syscall"
)

// run starts the command and reaps it. The parent-death signal is sent when
// the thread that forked ends, not the process, so this goroutine keeps its
// thread to itself for as long as the child lives.
func (p *Process) run(deathSignal syscall.Signal, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.cmd.SysProcAttr.Pdeathsig = deathSignal
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.done)
}
