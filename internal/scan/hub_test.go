package scan_test

import (
	"testing"
	"time"

	"azts.internal/portal/internal/scan"
)

func TestSubscribersHearOfTheirOwnScans(t *testing.T) {
	w := newWorld(t)
	mine, cancel := w.service.Subscribe(ann)
	foreign, cancelForeign := w.service.Subscribe(bob)
	defer cancelForeign()
	s := w.mustRequest(sub1)
	w.pass(time.Minute)
	w.finish(sub1)
	w.look(s.ID)
	for i, state := range []scan.State{scan.Requested, scan.Running, scan.Completed} {
		if e := <-mine; e.Scan != s.ID || e.State != state || e.Version != int64(i+1) {
			t.Errorf("event %d = %+v", i, e)
		}
	}
	cancel()
	cancel() // twice does no harm
	if _, open := <-mine; open {
		t.Error("a cancelled subscription is still open")
	}
	select {
	case e := <-foreign:
		t.Errorf("another person heard %+v", e)
	default:
	}
}

func TestLookWithoutNewsIsNotTold(t *testing.T) {
	w := newWorld(t)
	s := w.mustRequest(sub1)
	w.look(s.ID) // finds that there is nothing of it yet
	events, cancel := w.service.Subscribe(ann)
	defer cancel()
	for range 3 {
		w.look(s.ID)
	}
	select {
	case e := <-events:
		t.Errorf("event %+v", e)
	default:
	}
}

func TestSlowSubscriberIsDroppedAndNobodyWaits(t *testing.T) {
	w := newWorld(t)
	slow, cancel := w.service.Subscribe(ann)
	defer cancel()
	for range scan.EventBuffer {
		w.mustRequest(sub1) // two events each
	}
	read := 0
	for range slow {
		read++
	}
	if read != scan.EventBuffer {
		t.Errorf("%d events before the end", read)
	}
}

func TestOldestSubscriberGivesWay(t *testing.T) {
	w := newWorld(t)
	oldest, _ := w.service.Subscribe(ann)
	for range scan.MaxSubscribers {
		_, cancel := w.service.Subscribe(ann)
		defer cancel()
	}
	if _, open := <-oldest; open {
		t.Error("the oldest is still subscribed")
	}
}

func TestCloseEndsAllSubscriptions(t *testing.T) {
	w := newWorld(t)
	before, cancel := w.service.Subscribe(ann)
	w.service.CloseSubscribers()
	after, _ := w.service.Subscribe(ann)
	if _, open := <-before; open {
		t.Error("still open")
	}
	if _, open := <-after; open {
		t.Error("opened after the end")
	}
	cancel()
	w.mustRequest(sub1) // publishing to nobody
}
