package results

import (
	"strings"
	"unicode/utf8"

	"azts.internal/portal/internal/azts"
)

// The tables of a set. Their fields are codes of names, of texts, or keys.
const (
	statuses = iota
	controls
	resources
	exceptions
	tableCount
)

// The fields of the tables.
const (
	statusName = 0

	controlKey         = 0 // the fold of the name that tells controls apart; 0 without one
	controlName        = 1
	controlTitle       = 2
	controlCategory    = 3
	controlSeverity    = 4
	controlBaseline    = 5 // of "true" and "false"
	controlDescription = 6 // a text
	controlRemediation = 7 // a text

	resourceKey          = 0 // equal for entries that are one resource; 0 without a name
	resourceSubscription = 1
	resourceID           = 2
	resourceName         = 3
	resourceGroup        = 4
	resourceTenant       = 5

	exceptionState         = 0
	exceptionExpiry        = 1 // as AzTS wrote it
	exceptionTime          = 2 // in expiryLayout, or empty
	exceptionJustification = 3 // a text
)

// tableWidths is the number of fields of each table.
var tableWidths = [tableCount]int{1, 8, 6, 4}

// textFields are the fields that are codes of texts; keyFields those that are keys.
var (
	textFields = [tableCount][]int{controls: {controlDescription, controlRemediation}, exceptions: {exceptionJustification}}
	keyFields  = [tableCount]int{statuses: -1, controls: -1, resources: resourceKey, exceptions: -1}
)

// maxWidth is the most fields of a table.
const maxWidth = 8

// The fields of a row: an entry of each table in their order, then its reason.
const (
	rowReason  = tableCount
	rowColumns = tableCount + 1
)

// expiryLayout is a time in UTC whose texts sort like times.
const expiryLayout = "2006-01-02T15:04:05.000000Z"

// blockSize is how many bytes of texts are packed together: enough to pack well,
// few enough that one text is had quickly.
const blockSize = 32 << 10

// largeText is from how many bytes on a text has a block of its own, so that the
// size of a block tells the size of its texts.
const largeText = 4 << 10

// block is a run of packed texts, each ended by NUL.
type block struct {
	first  uint32 // code of its first text
	count  uint32
	size   int // unpacked
	packed []byte
}

// delta is what one segment adds to a set.
type delta struct {
	names  []string
	folds  []uint32 // of each name: the code of the first name equal to it but for case
	tables [tableCount][maxWidth][]uint32
	rows   [rowColumns][]uint32
	blocks []block
}

// clean makes a string storable: valid UTF-8 without NUL of at most limit bytes.
func clean(s string, limit int) string {
	if len(s) > limit {
		// Far more than limit may have to go; what is beyond that is not looked at.
		s = s[:min(len(s), 4*limit)]
	}
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	}
	if len(s) > limit {
		n := limit
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.Clone(s) // or a whole answer would live on behind one name
}

// fold is what names are compared by. Search and filters use it as well.
func fold(s string) string { return strings.ToLower(s) }

// Same reports whether two values are one for filters and counts: without regard
// to letter case, and to nothing else that only looks alike.
func Same(a, b string) bool { return fold(a) == fold(b) }

// Key tells results of one set apart, and names the same result in another set.
// All its parts are in lower case.
type Key struct {
	Subscription string
	Control      string // the control's id, or its display name where it has none
	Resource     string // the resource's id, or "group/name" where it has none
}

// KeyOf returns the key of a result.
func KeyOf(r *azts.Result) Key {
	k := Key{Subscription: fold(r.SubscriptionID), Control: fold(r.ControlName), Resource: fold(r.ResourceID)}
	if k.Control == "" {
		k.Control = fold(r.ControlDisplayName)
	}
	if k.Resource == "" && r.ResourceName != "" {
		k.Resource = fold(r.ResourceGroupName + "/" + r.ResourceName)
	}
	return k
}

// Whole reports whether the key tells its result apart from others.
func (k Key) Whole() bool { return k.Control != "" && k.Resource != "" }
