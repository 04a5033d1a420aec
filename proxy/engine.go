package proxy

import (
	"fmt"

	"pgweir/config"
	"pgweir/loop"
	"pgweir/status"
)

// engineChoice is the engine of the workers' loops, as it was chosen at the start.
type engineChoice struct {
	engine loop.Engine
	reason string // why it is not io_uring though io_engine is "auto"; else ""
}

// EngineFor is the engine that io_engine takes, if usable tells whether io_uring can be
// used, and why it is not io_uring where "auto" would have that. The error is that of a
// start.
func EngineFor(c *config.Config, usable func() error) (engine loop.Engine, reason string, err error) {
	if c.IOEngine == "epoll" {
		return loop.Readiness, "", nil
	}
	err = usable()
	switch {
	case err == nil:
		return loop.IOUring, "", nil
	case c.IOEngine == "io_uring":
		return 0, "", noIOUring(c, err)
	}
	return loop.Readiness, err.Error(), nil
}

func noIOUring(c *config.Config, err error) error {
	return c.Fault(fmt.Errorf("io_uring cannot be used: %w", err), "io_engine")
}

// makeWorkers makes n workers by makeOne, with the engine of io_engine. With "auto" all
// have epoll if one cannot have its ring.
func (p *Proxy) makeWorkers(c *config.Config, n int, usable func() error, makeOne func(int, loop.Engine) (*worker, error)) error {
	engine, reason, err := EngineFor(c, usable)
	if err != nil {
		return err
	}
	workers, err := workersWith(engine, n, makeOne)
	if err != nil && engine == loop.IOUring {
		if c.IOEngine == "io_uring" {
			return noIOUring(c, err)
		}
		engine, reason = loop.Readiness, err.Error()
		workers, err = workersWith(engine, n, makeOne)
	}
	if err != nil {
		return err
	}
	p.workers, p.engine = workers, engineChoice{engine, reason}
	if reason != "" {
		p.log.Info("io_uring is not used", "io_engine", engine.String(), "reason", reason)
	}
	return nil
}

// workersWith makes all workers or, with an error, none.
func workersWith(engine loop.Engine, n int, makeOne func(int, loop.Engine) (*worker, error)) ([]*worker, error) {
	var made []*worker
	for i := range n {
		w, err := makeOne(i, engine)
		if err != nil {
			for _, w := range made {
				w.loop.Discard()
			}
			return nil, fmt.Errorf("loop %d of %d: %w", i+1, n, err)
		}
		made = append(made, w)
	}
	return made, nil
}

// Engine is the name of the engine that the loops were made with.
func (p *Proxy) Engine() string { return p.engine.engine.String() }

// ringRecord is what a worker knows of its loop's ring. It is the loop's thread's.
type ringRecord struct {
	failure   string // "" unless the loop goes on without it
	shortages uint64 // when last asked: a ring that fails takes its count along
}

// retreated notes that the loop's ring has failed.
func (w *worker) retreated(err error) {
	w.ring.failure = err.Error()
	w.proxy.log.Warn("an event loop goes on without io_uring, which has failed",
		"loop", w.index+1, "io_engine", loop.Readiness.String(), "reason", err.Error())
}

// addEngine adds what this loop's engine holds.
func (w *worker) addEngine(e *status.Engine) {
	held := w.loop.EngineStats()
	w.ring.shortages = max(w.ring.shortages, held.Shortages)
	e.Loops++
	e.Shortages += int64(w.ring.shortages)
	if w.ring.failure != "" {
		e.Retreated++
		e.Reason = w.ring.failure
	}
	e.Buffers += held.Buffers
	e.BuffersFree += held.BuffersFree
	e.BufferSize = max(e.BufferSize, held.BufferSize)
	e.LateBytes += int64(held.LateBytes)
}

// finishEngine says which engine the loops have, of which all have been added.
func (p *Proxy) finishEngine(e *status.Engine) {
	e.Name = p.Engine()
	if p.engine.reason != "" {
		e.Reason = p.engine.reason
	}
	if e.Retreated > 0 && e.Retreated == e.Loops {
		e.Name = loop.Readiness.String()
	}
}
