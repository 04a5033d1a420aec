package proxy

import (
	"fmt"

	"pgweir/loop"
)

// chooseEngine finds the engine of io_engine.
func (p *Proxy) chooseEngine(name string) (loop.Engine, error) {
	if name == "epoll" {
		return loop.Readiness, nil
	}
	err := loop.IOUring.Usable()
	switch {
	case err == nil:
		return loop.IOUring, nil
	case name == "io_uring":
		return 0, fmt.Errorf("io_engine = \"io_uring\": %w", err)
	}
	p.log.Info("io_uring is not used", "io_engine", loop.Readiness.String(), "reason", err.Error())
	return loop.Readiness, nil
}
