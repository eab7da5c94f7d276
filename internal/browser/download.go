package browser

import (
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// Download clicks what a selector finds and returns the file that comes.
func (tab *Tab) Download(selector string) []byte {
	tab.t.Helper()
	dir, yes := tab.t.TempDir(), true
	_, err := chromedp.CallBrowser(tab.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior:         browser.SetDownloadBehaviorBehaviorAllowAndName,
		BrowserContextID: chromedp.FromContext(tab.ctx).BrowserContextID, DownloadPath: dir, EventsEnabled: &yes})
	if err != nil {
		tab.t.Fatal(err)
	}
	ended := make(chan *browser.EventDownloadProgress, 1)
	err = chromedp.ListenBrowser(tab.ctx, func(event any) {
		if e, ok := event.(*browser.EventDownloadProgress); ok && e.State != browser.DownloadProgressStateInProgress {
			select {
			case ended <- e:
			default: // of an earlier download
			}
		}
	})
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.Click(selector)
	select {
	case e := <-ended:
		if e.State != browser.DownloadProgressStateCompleted {
			tab.t.Fatalf("the download is %s", e.State)
		}
		file, err := os.ReadFile(filepath.Join(dir, e.GUID))
		if err != nil {
			tab.t.Fatal(err)
		}
		return file
	case <-time.After(patience):
		tab.t.Fatalf("no file from %s", selector)
		return nil
	}
}
