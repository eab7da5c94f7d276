package handlers

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestMemoryIsBoundedAndForgets(t *testing.T) {
	now := time.Unix(1e9, 0)
	m := newMemory[int, string](time.Minute, 10, func() time.Time { return now })
	m.put(1, "one", 6)
	m.put(2, "two", 5) // no room
	if _, ok := m.get(2); ok {
		t.Error("more is kept than fits")
	}
	m.put(1, "uno", 4) // in place of the first
	m.put(2, "two", 6)
	if v, ok := m.get(1); v != "uno" || !ok || m.weight != 10 {
		t.Errorf("kept is %q with weight %d", v, m.weight)
	}
	now = now.Add(time.Minute)
	if _, ok := m.get(1); ok {
		t.Error("an old answer is given")
	}
	m.put(3, "three", 9) // what is old makes room
	if _, ok := m.get(3); !ok || m.weight != 9 {
		t.Errorf("weight %d", m.weight)
	}
	m.forget(func(k int) bool { return k == 3 })
	if m.weight != 0 || len(m.kept) != 0 {
		t.Errorf("weight %d of %d answers are left", m.weight, len(m.kept))
	}
}

func TestParallelWorkIsBoundedAndWhole(t *testing.T) {
	var under, most, done atomic.Int32
	inParallel(100, 8, func(int) {
		n := under.Add(1)
		for {
			seen := most.Load()
			if n <= seen || most.CompareAndSwap(seen, n) {
				break
			}
		}
		under.Add(-1)
		done.Add(1)
	})
	if done.Load() != 100 || most.Load() > 8 {
		t.Errorf("%d were done, %d at once", done.Load(), most.Load())
	}
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "burst") || done.Load() != 109 {
			t.Errorf("the panic is %q after %d", p, done.Load())
		}
	}()
	inParallel(10, 2, func(i int) {
		if i == 3 {
			panic("burst")
		}
		done.Add(1)
	})
}
