package authquery

// Question is about one user.
type Question struct {
	Source Source
	// Home is given if the source's database has its name from a client, and may be
	// none: where the same server is asked whether there is one of this name, and for
	// the user if there is not.
	Home   *Source
	Name   string
	Roles  bool // the roles that the user is a member of are asked for, and not the secret
	Limits Limits
}

func (q *Question) kind() kind {
	if q.Roles {
		return ofRoles
	}
	return ofUser
}

// Wait is a question whose answer is still to come.
type Wait struct {
	Question
	asker *Asker
	then  func(Answer, error)

	// Guarded by Asker.mu.
	flight   *flight // nil: it does not wait any more
	database presence
}

// presence is what is known of a database whose name a client has made up.
type presence uint8

const (
	notLookedFor presence = iota
	present
	missing
	untold // home could not be asked
)

// place is where the user is asked for.
func (w *Wait) place() Source {
	if w.database == missing {
		return *w.Home
	}
	return w.Source
}

// mustLook tells whether it has to be seen first if there is such a database.
func (w *Wait) mustLook() bool {
	return w.Home != nil && *w.Home != w.Source && w.database == notLookedFor
}

// sure tells whether the place is one that the configuration or the server vouches
// for.
func (w *Wait) sure() bool { return w.Home == nil || w.database != untold }

// reads is an answer as it is for this question.
func (w *Wait) reads(answer Answer) Answer {
	answer.NoDatabase = w.database == missing
	return answer
}

// Leave says that nobody wants the answer any more. A question that has not been put
// yet is not put. The function that waits for the answer may be called all the same,
// if the answer has just come.
func (w *Wait) Leave() {
	a := w.asker
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := w.flight; f != nil {
		w.flight = nil
		f.leave(w)
	}
}
