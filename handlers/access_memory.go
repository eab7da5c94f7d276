package handlers

import (
	"fmt"
	"sync"
	"time"
)

// memory keeps answers of services for a while, so that going back and forth
// between pages does not ask them each time. It holds at most a weight; what is
// too old goes first, and where there is still no room an answer is not kept.
type memory[K comparable, V any] struct {
	age  time.Duration
	most int // weight of all answers together
	now  func() time.Time

	mu     sync.Mutex
	kept   map[K]remembered[V]
	weight int
}

type remembered[V any] struct {
	value  V
	at     time.Time
	weight int
}

func newMemory[K comparable, V any](age time.Duration, most int, now func() time.Time) *memory[K, V] {
	return &memory[K, V]{age: age, most: most, now: now, kept: make(map[K]remembered[V])}
}

func (m *memory[K, V]) get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.kept[key]
	if !ok || m.now().Sub(one.at) >= m.age {
		var none V
		return none, false
	}
	return one.value, true
}

func (m *memory[K, V]) put(key K, value V, weight int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(key)
	now := m.now()
	if m.weight+weight > m.most {
		for old, one := range m.kept {
			if now.Sub(one.at) >= m.age {
				m.drop(old)
			}
		}
	}
	if m.weight+weight > m.most {
		return
	}
	m.kept[key] = remembered[V]{value, now, weight}
	m.weight += weight
}

// forget drops the answers whose keys fit.
func (m *memory[K, V]) forget(fits func(K) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.kept {
		if fits(key) {
			m.drop(key)
		}
	}
}

// drop removes an answer, if it is there; the caller holds mu.
func (m *memory[K, V]) drop(key K) {
	if one, ok := m.kept[key]; ok {
		m.weight -= one.weight
		delete(m.kept, key)
	}
}

// inParallel calls f for 0 to n-1, at most limit at a time, and returns when all
// have ended. A panic of one of them is the caller's.
func inParallel(n, limit int, f func(i int)) {
	slots := make(chan struct{}, limit)
	var wait sync.WaitGroup
	var once sync.Once
	var broke any
	for i := range n {
		slots <- struct{}{}
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer func() { <-slots }()
			defer func() {
				if p := recover(); p != nil {
					once.Do(func() { broke = p })
				}
			}()
			f(i)
		}()
	}
	wait.Wait()
	if broke != nil {
		panic(fmt.Sprintf("in parallel work: %v", broke))
	}
}
