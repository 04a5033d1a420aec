package loop

func (r *ring) stats() EngineStats {
	s := EngineStats{Engine: IOUring, BuffersFree: r.bufs.Free(), Shortages: r.shortages}
	s.Buffers, s.BufferSize = r.bufs.Shape()
	for _, k := range r.late {
		for _, p := range k.parts {
			s.LateBytes += len(p.bytes)
		}
	}
	return s
}
