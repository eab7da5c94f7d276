package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Tab is a page as a person has it before them. One goroutine uses it.
type Tab struct {
	t   testing.TB
	ctx context.Context

	mu        sync.Mutex
	changed   chan struct{} // closed when the page changes
	mainFrame string        // id of the page itself, as against frames in it
	world     runtime.ExecutionContextID
	pages     int // how many the tab has shown
	troubles  []trouble
	expected  []string
	answers   map[network.RequestID]*Answer
	order     []network.RequestID
}

// observer is the name of the world that our own script lives in, apart from
// the page's, and of the function by which it reports a change.
const observer = "portalTestObserver"

// watchPage reports whatever may make a condition true that was not.
const watchPage = `(() => {
  const say = () => globalThis.` + observer + `('');
  new MutationObserver(say).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  for (const type of ['focusin', 'focusout', 'input', 'change', 'toggle', 'close', 'scrollend', 'visibilitychange']) {
    document.addEventListener(type, say, true);
  }
  // Nothing can be clicked while one page changes into the next.
  addEventListener('pagereveal', (e) => {
    const change = e.viewTransition;
    change?.ready.catch(() => {}); // the browser may leave it out
    change?.updateCallbackDone.catch(() => {});
    change?.finished.then(say, say);
    say();
  });
  addEventListener('pageshow', say);
})()`

// Tab opens an empty tab. It closes with the test, which fails if the tab has
// logged what nobody expected.
func (p *Profile) Tab(t testing.TB) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	tab := &Tab{t: t, ctx: ctx, changed: make(chan struct{}), answers: make(map[network.RequestID]*Answer)}
	// Chromium's own words where it leaves out the transition from one page to
	// the next because the next was drawn already: no fault of either.
	tab.Expect("Transition was aborted because of invalid state. Page already revealed")
	t.Cleanup(func() {
		t.Helper()
		for _, text := range tab.unexpected() {
			t.Errorf("the browser reports: %s", text)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("no new tab: %v", err)
	}
	if err := chromedp.Listen(ctx, tab.hear); err != nil {
		t.Fatal(err)
	}
	tab.mainFrame = string(chromedp.FromContext(ctx).Target.TargetID)
	call(tab, audits.Enable, cdp.Empty{})
	call(tab, runtime.AddBinding, runtime.AddBindingParams{Name: observer, ExecutionContextName: observer})
	call(tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchPage, WorldName: observer})
	tab.Look(Looks{})
	return tab
}

// call runs a command of the protocol; it must succeed.
func call[P, R any](tab *Tab, command cdp.Command[P, R], params P) R {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		tab.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// Open goes to an address as a person who types it, and waits for the page.
func (tab *Tab) Open(address string) {
	tab.t.Helper()
	result := call(tab, page.Navigate, page.NavigateParams{URL: address})
	if result.ErrorText != "" {
		tab.t.Fatalf("%s: %s", address, result.ErrorText)
	}
	tab.Wait("the page to load", `document.readyState === 'complete'`)
}

// evaluate runs an expression in the page. Its error is about the page, such
// as one that is just being replaced.
func (tab *Tab) evaluate(expression string, into any, world runtime.ExecutionContextID) error {
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	yes := true
	result, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: expression, ReturnByValue: &yes,
		AwaitPromise: &yes, ContextID: world})
	if err != nil {
		return err
	}
	if e := result.ExceptionDetails; e != nil {
		text := e.Text
		if e.Exception != nil {
			text = e.Exception.Description
		}
		return errors.New(text)
	}
	if len(result.Result.Value) == 0 {
		return nil // undefined
	}
	return json.Unmarshal(result.Result.Value, into)
}

// Eval returns the value of an expression in the page.
func Eval[T any](tab *Tab, expression string) T {
	tab.t.Helper()
	var value T
	if err := tab.evaluate(expression, &value, 0); err != nil {
		tab.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// quote writes a text as a literal of JavaScript.
func quote(text string) string {
	b, _ := json.Marshal(text) // a string always has a JSON form
	return string(b)
}

// Wait waits until a condition holds, a JavaScript expression. One that throws
// does not hold: the page may not be there yet. what completes "waited for".
func (tab *Tab) Wait(what, condition string) {
	tab.t.Helper()
	tab.WaitWithin(patience, what, condition)
}

// WaitWithin is Wait with a limit that is part of what is tested.
func (tab *Tab) WaitWithin(limit time.Duration, what, condition string) {
	tab.t.Helper()
	var holds bool
	tab.until(limit, what, func() (bool, error) {
		holds = false
		err := tab.evaluate("Boolean("+condition+")", &holds, 0)
		return holds, err
	})
}

// until asks done again after each change of the page.
func (tab *Tab) until(limit time.Duration, what string, done func() (bool, error)) {
	tab.t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		tab.mu.Lock()
		changed := tab.changed
		tab.mu.Unlock()
		ok, err := done()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			tab.t.Fatalf("waited %v for %s (%v); the page: %s", limit, what, err, tab.describe())
		case <-tab.ctx.Done():
			tab.t.Fatalf("waited for %s: the tab is gone", what)
		}
	}
}

// describe is the page in few words, for the message of a failed test.
func (tab *Tab) describe() string {
	var text string
	if err := tab.evaluate(`location.href + ' «' + document.title + '» ' + (document.body?.innerText ?? '').slice(0, 1500)`, &text, 0); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(text), " ")
}

// Heading waits for a page with this first heading, completely loaded.
func (tab *Tab) Heading(text string) {
	tab.t.Helper()
	tab.Wait(fmt.Sprintf("the page %q", text), `document.readyState === 'complete' && document.querySelector('h1')?.innerText.trim() === `+quote(text))
}

// Follow does something that leads to another page and waits until that is
// loaded.
func (tab *Tab) Follow(do func()) {
	tab.t.Helper()
	shown := func() int {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		return tab.pages
	}
	before := shown()
	do()
	tab.until(patience, "another page", func() (bool, error) {
		var loaded bool
		err := tab.evaluate(`document.readyState === 'complete'`, &loaded, 0)
		return loaded && shown() > before, err
	})
}

// Text returns what a person reads in the first element of a selector, in one line.
func (tab *Tab) Text(selector string) string {
	tab.t.Helper()
	text := Eval[*string](tab, `document.querySelector(`+quote(selector)+`)?.innerText ?? null`)
	if text == nil {
		tab.t.Fatalf("no %s in %s", selector, tab.describe())
	}
	return strings.Join(strings.Fields(*text), " ")
}

// Count returns how many elements a selector finds.
func (tab *Tab) Count(selector string) int {
	tab.t.Helper()
	return Eval[int](tab, `document.querySelectorAll(`+quote(selector)+`).length`)
}

// URL returns the address of the page.
func (tab *Tab) URL() string {
	tab.t.Helper()
	return Eval[string](tab, `location.href`)
}

// Back goes one page back, as the browser's button does.
func (tab *Tab) Back() {
	tab.t.Helper()
	history := call(tab, page.GetNavigationHistory, cdp.Empty{})
	if history.CurrentIndex == 0 {
		tab.t.Fatal("there is no page to go back to")
	}
	call(tab, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[history.CurrentIndex-1].ID})
}

// Reload loads the page again.
func (tab *Tab) Reload() {
	tab.t.Helper()
	call(tab, page.Reload, page.ReloadParams{})
}
