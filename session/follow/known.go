package follow

import "pgweir/wire"

// Known is what PostgreSQL has said of a statement, so that the next client that
// prepares it can be told the same. It is never changed.
type Known struct {
	At      uint64     // how often the database's objects had changed by then
	Shape   wire.Shape // of its text, which has no hints
	Columns uint64     // a hash of those that it has, as a session has it
	// Described is the answer to a Describe: ParameterDescription, and
	// RowDescription or NoData. It is nil if that is not known.
	Described []byte
}

// MaxDescribed is how long an answer to a Describe may be to be kept, in bytes, and
// maxDescribedBytes bounds what all of a pool's take, with describedOverhead for each.
const (
	MaxDescribed      = 8 << 10
	maxDescribedBytes = 4 << 20
	describedOverhead = 128
)

// Known is what is known of st when the database's objects have changed so often;
// nil for nothing.
func (st *Statement) Known(at uint64) *Known {
	if k := st.known.Load(); k != nil && k.At == at {
		return k
	}
	return nil
}

// Describes tells whether the answer to a Describe is known then.
func (st *Statement) Describes(at uint64) bool {
	k := st.Known(at)
	return k != nil && k.Described != nil
}

// Learn notes what is known of a statement that a client has a name for. An answer
// to a Describe that is known already stays.
func (r *Statements) Learn(st *Statement, k *Known) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := st.known.Load()
	if st.uses == 0 || old != nil && (old.At > k.At || old.At == k.At && k.Described == nil) {
		return
	}
	r.dropAnswer(st)
	st.known.Store(k)
	if k.Described == nil {
		return
	}
	st.described = r.described.PushBack(st)
	r.describedBytes += len(k.Described) + describedOverhead
	for r.describedBytes > maxDescribedBytes {
		r.dropAnswer(r.described.Front().Value.(*Statement))
	}
}

// Unlearn forgets what is known of a statement.
func (r *Statements) Unlearn(st *Statement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropAnswer(st)
	st.known.Store(nil)
}

// dropAnswer forgets the answer to a Describe of st, if there is one.
func (r *Statements) dropAnswer(st *Statement) {
	if st.described == nil {
		return
	}
	k := *st.known.Load()
	r.describedBytes -= len(k.Described) + describedOverhead
	r.described.Remove(st.described)
	k.Described, st.described = nil, nil
	st.known.Store(&k)
}

// DescribedBytes is what the answers to Describes take that are kept.
func (r *Statements) DescribedBytes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.describedBytes
}
