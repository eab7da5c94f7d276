package browser

import (
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
)

// Looks say what the screen is like. The zero value is a window of 1280 by 900
// with light colours and, so that nothing is in motion while it is looked at,
// a person who asked for less of it.
type Looks struct {
	Width, Height int // pixels
	Dark          bool
	Motion        bool
}

// Look changes the screen; the page stays.
func (tab *Tab) Look(l Looks) {
	tab.t.Helper()
	if l.Width == 0 {
		l.Width = 1280
	}
	if l.Height == 0 {
		l.Height = 900
	}
	scheme, motion := "light", "reduce"
	if l.Dark {
		scheme = "dark"
	}
	if l.Motion {
		motion = "no-preference"
	}
	call(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: int64(l.Width), Height: int64(l.Height),
		DeviceScaleFactor: 1, Mobile: l.Width < 600, ScrollbarType: emulation.SetDeviceMetricsOverrideScrollbarTypeOverlay})
	call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion}}})
}

// WithoutScripts turns the scripts of pages off, from the next page on.
func (tab *Tab) WithoutScripts() {
	tab.t.Helper()
	call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// Overflow returns by how many pixels the page is wider than the window, and
// what sticks out beside tables, which may scroll by themselves.
func (tab *Tab) Overflow() (pixels int, culprits []string) {
	tab.t.Helper()
	pixels = Eval[int](tab, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
	if pixels > 0 {
		culprits = Eval[[]string](tab, `[...document.body.querySelectorAll('*')].filter((el) =>
			el.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !el.closest('table, pre'))
			.slice(0, 5).map((el) => el.tagName.toLowerCase() + '.' + el.className + ' ' + el.innerText?.slice(0, 40))`)
	}
	return pixels, culprits
}

// Spilling returns the texts that stick out of their own box to the right: the
// box hides the rest, or it runs into the neighbour. Boxes that scroll, and
// those that end in an ellipsis, are meant to be so.
func (tab *Tab) Spilling() []string {
	tab.t.Helper()
	return Eval[[]string](tab, `(() => {
		const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
		for (let node; (node = texts.nextNode());) {
			if (!node.data.trim() || !node.parentElement.checkVisibility() || node.parentElement.closest('script, style, template')) continue;
			let box, meant = false; // box: the innermost that is not inline
			for (let el = node.parentElement; el !== document.documentElement && !meant; el = el.parentElement) {
				const style = getComputedStyle(el);
				meant = ['auto', 'scroll'].includes(style.overflowX) || style.textOverflow === 'ellipsis' || style.clipPath !== 'none';
				if (!box && !style.display.startsWith('inline') && style.display !== 'contents') box = el;
			}
			if (meant || !box) continue;
			range.selectNodeContents(node);
			const out = Math.max(0, ...[...range.getClientRects()].map((r) => r.right)) - box.getBoundingClientRect().right;
			if (out > 1) found.push(node.data.trim().slice(0, 60) + ' in ' + box.outerHTML.slice(0, 80));
		}
		return found.slice(0, 5);
	})()`)
}

// Picture returns the page as PNG: the window, or the whole page up to a height
// in pixels.
func (tab *Tab) Picture(upTo int) []byte {
	tab.t.Helper()
	size := Eval[[]int](tab, `[document.documentElement.clientWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]`)
	beyond := true
	shot := call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: &beyond,
		Clip: &page.Viewport{Width: float64(size[0]), Height: float64(min(size[1], upTo)), Scale: 1}})
	return shot.Data
}

// WithoutCache makes the tab ask for everything anew, as a first visit does.
func (tab *Tab) WithoutCache() {
	tab.t.Helper()
	call(tab, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
}
