package results_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"azts.internal/portal/internal/results"
)

func TestWhatIsKeptInMemoryIsBounded(t *testing.T) {
	w := newWorld(t)
	rows := generate(2000, 1, subA)
	var ids []string
	for range 6 {
		ids = append(ids, w.keep(rows))
	}
	one := w.open(ids[0]).Bytes()
	if one < 2000*20 || one > 2000*400 {
		t.Errorf("2,000 rows count as %d bytes", one)
	}
	a := w.archive(nil, 3*one+one/2)
	open := func(id string) int {
		before := w.records.loads
		_, err := a.Open(t.Context(), ann, id)
		w.ok(err)
		return w.records.loads - before
	}
	for i, id := range ids {
		if open(id) != 1 {
			t.Errorf("set %d was not decoded", i)
		}
		if sets, bytes := a.Cached(); sets > 3 || bytes > 3*one+one/2 || bytes != int64(sets)*one {
			t.Errorf("%d sets with %d bytes are kept", sets, bytes)
		}
	}
	// 3, 4 and 5 are there. What is used stays, what was used longest ago goes.
	if open(ids[3]) != 0 || open(ids[0]) != 1 || open(ids[3]) != 0 || open(ids[4]) != 1 {
		t.Error("not the set that was used longest ago went")
	}
	// One that is larger than all the room is kept alone.
	small := w.archive(nil, one/2)
	for range 3 {
		if _, err := small.Open(t.Context(), ann, ids[0]); err != nil {
			t.Fatal(err)
		}
	}
	if sets, _ := small.Cached(); sets != 1 {
		t.Errorf("%d sets are kept", sets)
	}
}

func TestManyReadersDecodeOnce(t *testing.T) {
	w := newWorld(t)
	rows := generate(1000, 1, subA)
	id := w.keep(rows)
	entered, hold := make(chan struct{}, 50), make(chan struct{})
	w.records.entered, w.records.hold = entered, hold
	before := w.records.loads
	var readers sync.WaitGroup
	for range 50 {
		readers.Go(func() {
			set, err := w.Open(t.Context(), ann, id)
			if err != nil || set.Len() != 1000 {
				t.Error(err)
				return
			}
			for _, q := range []results.Query{{Sort: results.SortResource}, {Text: "rules"}, {Status: []string{"Failed"}, Sort: results.SortGroup}} {
				if page, err := set.Query(q); err != nil || page.Total == 0 {
					t.Error(page.Total, err)
				}
			}
		})
	}
	<-entered
	close(hold)
	readers.Wait()
	if n := w.records.loads - before; n != 1 {
		t.Errorf("decoded %d times", n)
	}
}

func TestWhoeverLeavesDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	id := w.keep(generate(100, 1, subA))
	entered, hold := make(chan struct{}, 50), make(chan struct{})
	w.records.entered, w.records.hold = entered, hold
	first, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := w.Open(first, ann, id)
		done <- err
	}()
	<-entered
	leave()
	second, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Open(second, ann, id); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever waits and leaves: %v", err)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Errorf("the set that others wait for was not brought: %v", err)
	}
	if n, _ := w.Cached(); n != 1 {
		t.Error("it is not kept")
	}
}

func TestAFailureIsNotKept(t *testing.T) {
	w := newWorld(t)
	id := w.keep(generate(100, 1, subA))
	segment := w.records.segments[id][0]
	delete(w.records.segments[id], 0)
	if _, err := w.Open(t.Context(), ann, id); err == nil {
		t.Error("a set without its segment opens")
	}
	w.records.segments[id][0] = segment
	if n := w.open(id).Len(); n != 100 {
		t.Errorf("%d rows", n)
	}
}

// holding makes the next decoding wait, and those after it not.
func (w *world) holding() (entered, hold chan struct{}) {
	entered, hold = make(chan struct{}, 1), make(chan struct{})
	w.records.mu.Lock()
	defer w.records.mu.Unlock()
	w.records.entered, w.records.hold = entered, hold
	return entered, hold
}

func (w *world) holdNoMore() {
	w.records.mu.Lock()
	defer w.records.mu.Unlock()
	w.records.entered, w.records.hold = nil, nil
}

func TestAnEarlierStateDoesNotReplaceALaterOne(t *testing.T) {
	w := newWorld(t)
	rows := generate(200, 1, subA)
	writer, id := w.begin(subA)
	w.ok(writer.Add(t.Context(), subA, page("1", 200, rows[:100]...)))
	w.ok(writer.Flush(t.Context()))
	entered, hold := w.holding()
	early := make(chan int, 1)
	go func() {
		set, err := w.Open(t.Context(), ann, id)
		if err != nil {
			t.Error(err)
		}
		early <- set.Len()
	}()
	<-entered
	w.holdNoMore()
	w.ok(writer.Add(t.Context(), subA, page("", 200, rows[100:]...)))
	_, err := writer.Finish(t.Context())
	w.ok(err)
	w.open(id)
	close(hold)
	if n := <-early; n != 100 {
		t.Errorf("the earlier state has %d rows", n)
	}
	before := w.records.loads
	if w.open(id).Len() != 200 || w.records.loads != before {
		t.Error("the later state is not in memory any more")
	}
}

func TestASetThatIsReplacedWhileItIsOpenedOpens(t *testing.T) {
	w := newWorld(t)
	id := w.keep(generate(100, 1, subA))
	entered, hold := w.holding()
	opened := make(chan error, 1)
	go func() {
		set, err := w.Open(t.Context(), ann, id)
		if err == nil && set.Len() != 300 {
			t.Errorf("%d rows", set.Len())
		}
		opened <- err
	}()
	<-entered
	w.holdNoMore()
	w.ok(w.Delete(t.Context(), ann, id))
	writer, err := w.Begin(t.Context(), ann, id, []string{subA})
	w.ok(err)
	w.ok(feed(t.Context(), writer, generate(300, 2, subA), 100))
	_, err = writer.Finish(t.Context())
	w.ok(err)
	close(hold)
	if err := <-opened; err != nil {
		t.Error(err)
	}
}
