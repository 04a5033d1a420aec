package loop

func (r *ring) stats() EngineStats {
	s := EngineStats{Engine: IOUring, BuffersFree: r.bufs.Free(), Shortages: r.shortages}
	s.Buffers, s.BufferSize = r.bufs.Shape()
	for _, k := range r.late {
		s.LateBytes += len(k.bytes)
	}
	return s
}
