package loop

// EngineStats is what the engine of a loop holds, and what it has counted. The
// readiness engine has nothing to tell but its name.
type EngineStats struct {
	Engine Engine
	// Buffers are those that the kernel receives into, BufferSize bytes each. Their
	// number is fixed. BuffersFree of them it can still fill, whole or in part.
	Buffers, BufferSize, BuffersFree int
	// Shortages is how often a receive has found no buffer, and has begun anew.
	Shortages uint64
	// LateBytes are kept for connections that did not want them any more when they
	// came.
	LateBytes int
}

// EngineStats is called on the loop's thread. It costs the number of connections that
// have late bytes.
func (l *Loop) EngineStats() EngineStats { return l.engine.stats() }

func (r *readiness) stats() EngineStats { return EngineStats{Engine: Readiness} }
