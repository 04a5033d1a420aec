package authquery

import "container/list"

// A shelf holds entries up to a number; the one least recently used makes room.
type shelf struct {
	room  int
	order list.List // of *entry, the one used last in front
	at    map[key]*list.Element
}

func newShelf(room int) *shelf { return &shelf{room: room, at: map[key]*list.Element{}} }

// get finds an entry, and counts as a use of it.
func (s *shelf) get(k key) *entry {
	at := s.at[k]
	if at == nil {
		return nil
	}
	s.order.MoveToFront(at)
	return at.Value.(*entry)
}

func (s *shelf) put(e *entry) {
	if s.get(e.key) != nil {
		return
	}
	s.at[e.key] = s.order.PushFront(e)
	if s.order.Len() > s.room {
		s.remove(s.order.Back().Value.(*entry).key)
	}
}

func (s *shelf) remove(k key) {
	if at := s.at[k]; at != nil {
		s.order.Remove(at)
		delete(s.at, k)
	}
}

func (s *shelf) each(f func(*entry)) {
	for at := s.order.Front(); at != nil; at = at.Next() {
		f(at.Value.(*entry))
	}
}

// cache holds the entries. Users who are there and names that are not have a shelf
// each: whoever tries many names pushes out no user.
type cache struct{ users, others *shelf }

func (c *cache) get(k key) *entry {
	if e := c.users.get(k); e != nil {
		return e
	}
	return c.others.get(k)
}

// put puts an entry where it belongs, now that something new is known of it.
func (c *cache) put(e *entry) {
	right, wrong := c.others, c.users
	if e.answered && e.answer.knows() {
		right, wrong = wrong, right
	}
	wrong.remove(e.key)
	right.put(e)
}

func (c *cache) each(f func(*entry)) {
	c.users.each(f)
	c.others.each(f)
}
