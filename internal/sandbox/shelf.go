package sandbox

import "slices"

// shelf keeps at most a fixed number of values by key; when it is full, the one
// that was put in first falls out. It holds what anonymous visitors can make
// the tenant remember. It is not safe for concurrent use.
type shelf[V any] struct {
	room  int
	items map[string]V
	order []string // keys as they were put in; some may be gone
}

func newShelf[V any](room int) *shelf[V] {
	return &shelf[V]{room: room, items: map[string]V{}}
}

func (s *shelf[V]) put(key string, value V) {
	if _, there := s.items[key]; !there {
		if len(s.order) >= 2*s.room { // mostly keys that were deleted
			s.order = slices.DeleteFunc(s.order, func(k string) bool { _, there := s.items[k]; return !there })
		}
		for len(s.items) >= s.room {
			delete(s.items, s.order[0])
			s.order = s.order[1:]
		}
		s.order = append(s.order, key)
	}
	s.items[key] = value
}

func (s *shelf[V]) get(key string) (V, bool) {
	value, there := s.items[key]
	return value, there
}

func (s *shelf[V]) delete(key string) { delete(s.items, key) }

// keys returns the keys in the order they were put in.
func (s *shelf[V]) keys() []string {
	keys := make([]string, 0, len(s.items))
	for _, key := range s.order {
		if _, there := s.items[key]; there {
			keys = append(keys, key)
		}
	}
	return keys
}
