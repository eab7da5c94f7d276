package templates

import (
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"
)

// TrendPage is how compliance went from scan to scan.
type TrendPage struct {
	Page
	Tabs         []NavItem
	Subscription string // id; empty: all together
	Choices      []TrendChoice
	MoreChoices  bool
	Short        bool         // results are kept, but of no subscription all
	Points       []TrendPoint // the oldest first; all of them are in the chart
	Rows         []TrendRow   // one page of them, the newest first
	Pager        Pager
}

// label names what the trend is of.
func (v *TrendPage) label() string {
	for i := range v.Choices {
		if v.Subscription != "" && v.Choices[i].ID == v.Subscription {
			return v.Choices[i].label()
		}
	}
	if v.Subscription != "" {
		return v.Subscription
	}
	if len(v.Rows) > 0 && v.Rows[0].Subscriptions > 1 {
		return "The " + number(v.Rows[0].Subscriptions) + " subscriptions you scanned"
	}
	return "All that you scanned"
}

// none says why there is no point.
func (v *TrendPage) none() string {
	if v.Short {
		return "Not all results of your scans were read, so their numbers say nothing of the whole. Each scan whose results were read to the end is a point here."
	}
	return "Each of your scans whose results were read to the end is a point here. Two make a line."
}

// TrendChoice is a subscription whose trend can be shown.
type TrendChoice struct{ ID, Name string }

func (c *TrendChoice) label() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// TrendPoint is where compliance stood after a scan.
type TrendPoint struct {
	At                   time.Time
	Passed, Failed, Rows int
}

func (p *TrendPoint) compliance() Compliance { return ComplianceOf(p.Passed, p.Failed) }

// others is how many results neither passed nor failed.
func (p *TrendPoint) others() int { return p.Rows - p.Passed - p.Failed }

// title is what the chart says of a point.
func (p *TrendPoint) title() string {
	return p.At.UTC().Format(exactLayout) + ": " + percentText(p.compliance()) + ", " + number(p.Passed) + " passed and " + number(p.Failed) + " failed"
}

// TrendRow is a point in the table.
type TrendRow struct {
	TrendPoint
	ScanID        string
	Subscriptions int // whose numbers are in it
	// Before is the point before it, nil for the first.
	Before     *TrendPoint
	CompareURL string // with the scan before; empty: none has a subscription in common
}

// change is by how many points of a percent compliance moved, with its sign.
func (r *TrendRow) change() templ.Component {
	now := r.compliance()
	if r.Before == nil || !now.Known {
		return blank
	}
	was := r.Before.compliance()
	if !was.Known {
		return blank
	}
	// Rounded as they are shown, or the numbers of two rows would not add up.
	tenths := roundTenths(now.Percent) - roundTenths(was.Percent)
	switch text := strconv.FormatFloat(float64(max(tenths, -tenths))/10, 'f', 1, 64); {
	case tenths > 0:
		return markup(`<span class="s-passed">+` + text + `</span>`)
	case tenths < 0:
		return markup(`<span class="s-failed">−` + text + `</span>`)
	}
	return markup(`<span class="muted">±0</span>`)
}

func roundTenths(percent float64) int { return int(percent*10 + .5) }

// trendScale is the part of 0 to 100 % that a chart shows, and how far its lines
// are apart: what moves by three points at 90 % must be seen to move.
func trendScale(points []TrendPoint) (low, high, step int) {
	low, high, step = 100, 0, 10
	for i := range points {
		if c := points[i].compliance(); c.Known {
			low, high = min(low, int(c.Percent)/10*10), max(high, int(math.Ceil(c.Percent/10))*10)
		}
	}
	if low > high {
		low, high = 0, 100
	}
	if high-low < 20 {
		low, high = max(0, high-20), max(high, 20)
	}
	if high-low > 50 {
		low, high, step = low/20*20, (high+10)/20*20, 20
	}
	return low, high, step
}

// trendLabels are the percentages of the lines, from above.
func trendLabels(points []TrendPoint) []string {
	low, high, step := trendScale(points)
	var out []string
	for n := high; n >= low; n -= step {
		out = append(out, strconv.Itoa(n)+" %")
	}
	return out
}

// trendLines is the chart without its labels. Places are in percent, so that it
// stretches and its strokes and dots do not.
func trendLines(points []TrendPoint) templ.Component {
	low, high, step := trendScale(points)
	b := append(make([]byte, 0, 200*len(points)+1024), `<g class="trend-grid">`...)
	for n := low; n <= high; n += step {
		y := strconv.FormatFloat(100*float64(n-low)/float64(high-low), 'f', 2, 64)
		b = append(b, `<line x1="0" x2="100%" y1="`+y+`%" y2="`+y+`%"/>`...)
	}
	b = append(b, `</g>`...)
	if len(points) == 0 {
		return fragment(b)
	}
	first, span := points[0].At, points[len(points)-1].At.Sub(points[0].At)
	place := func(p *TrendPoint) (x, y string, ok bool) {
		c := p.compliance()
		at := 50.0 // of the only one
		if span > 0 {
			at = 100 * float64(p.At.Sub(first)) / float64(span)
		}
		format := func(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + "%" }
		return format(at), format(100 * (float64(high) - c.Percent) / float64(high-low)), c.Known
	}
	b = append(b, `<g class="trend-line">`...)
	lastX, lastY := "", ""
	for i := range points {
		x, y, ok := place(&points[i])
		if !ok {
			continue
		}
		if lastX != "" {
			b = append(b, `<line x1="`+lastX+`" y1="`+lastY+`" x2="`+x+`" y2="`+y+`"/>`...)
		}
		lastX, lastY = x, y
	}
	radius := "4"
	if len(points) > 60 {
		radius = "2.5"
	}
	b = append(b, `</g><g class="trend-dots">`...)
	for i := range points {
		if x, y, ok := place(&points[i]); ok {
			b = append(b, `<circle cx="`+x+`" cy="`+y+`" r="`+radius+`"><title>`...)
			b = append(appendText(b, points[i].title()), `</title></circle>`...)
		}
	}
	return fragment(append(b, `</g>`...))
}

// trendDates label the time axis: the first, the middle and the last moment.
func trendDates(points []TrendPoint) []string {
	if len(points) == 0 {
		return nil
	}
	first, last := points[0].At.UTC(), points[len(points)-1].At.UTC()
	layout := "2 Jan 2006"
	if last.Sub(first) < 3*24*time.Hour {
		layout = "2 Jan, 15:04"
	}
	if len(points) == 1 {
		return []string{first.Format(layout)}
	}
	return []string{first.Format(layout), first.Add(last.Sub(first) / 2).Format(layout), last.Format(layout)}
}

// summary is the chart in a sentence.
func (v *TrendPage) summary() string {
	first, last := &v.Points[0], &v.Points[len(v.Points)-1]
	if len(v.Points) == 1 {
		return "Compliance was " + percentText(last.compliance()) + " after the only scan so far."
	}
	return "Compliance went from " + percentText(first.compliance()) + " to " + percentText(last.compliance()) + " over " + number(len(v.Points)) + " scans."
}

// TrendPageURL returns the address of the trend of a subscription, of all with "".
func TrendPageURL(subscription string, page int) string {
	v := url.Values{}
	if subscription != "" {
		v.Set("subscription", subscription)
	}
	if page > 1 {
		v.Set("page", strconv.Itoa(page))
	}
	return withQuery(TrendURL, v.Encode())
}
