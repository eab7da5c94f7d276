package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/sessions"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/seal"
)

const (
	// cookieName carries __Host-, so that no other host of the domain can set
	// it and it never leaves TLS (or localhost, which browsers treat alike).
	cookieName = "__Host-session"
	// touchEvery is how often the last-seen time is written at most, where the
	// idle limit is two minutes or longer.
	touchEvery = time.Minute
	// contentKey is the one key in the Values of gorilla's session.
	contentKey = "content"
)

// Content is what a session remembers of a sign-in.
type Content struct {
	User access.User `json:"user"`
	// IDToken is the validated ID token: /account shows its claims, and
	// sign-out may hand it back as id_token_hint.
	IDToken string `json:"id_token"`
	// LoginHint is the login_hint claim, the logout_hint of a later sign-out (entra.md §5.1).
	LoginHint  string    `json:"login_hint,omitempty"`
	SignedInAt time.Time `json:"signed_in_at"`
}

// Session is a live session as handlers see it.
type Session struct {
	ID ID
	Content
	Device     string
	LastSeenAt time.Time
	// EndsAt is when it ends if nothing more is asked; ExpiresAt when it ends
	// in any case.
	EndsAt, ExpiresAt time.Time
}

// SignIn is what a completed sign-in hands over.
type SignIn struct {
	Content
	SID          string
	SessionState string
	Device       string
	// Replaces is the session that the browser had when it went to the
	// provider; zero for none. The answer comes without its cookie.
	Replaces ID
	// Tokens seals what is kept beside the session, for its new id; nil for nothing.
	Tokens func(id ID) ([]SealedToken, error)
}

// Options are the limits of a session.
type Options struct {
	Idle time.Duration // ends this long after the last request
	Max  time.Duration // ends this long after sign-in in any case
	// Accept reports whether somebody who signed in once may still be here: the
	// configuration may have changed since. Whoever it refuses is not signed in.
	Accept func(access.User) bool
	Now    func() time.Time
	Log    *slog.Logger
}

// Store keeps sessions. It implements gorilla's Store and is safe for
// concurrent use.
type Store struct {
	records Records
	keys    *seal.KeyRing
	options Options
	watcher *Watcher
	opened  contents
}

var _ sessions.Store = (*Store)(nil)

// New returns a store of sessions. It refuses missing parts.
func New(records Records, keys *seal.KeyRing, options Options) (*Store, error) {
	if records == nil || keys == nil || options.Accept == nil || options.Now == nil || options.Log == nil {
		return nil, errors.New("session: a part is missing")
	}
	if options.Idle <= 0 || options.Max < options.Idle {
		return nil, fmt.Errorf("session: the limits %v idle, %v at most do not fit together", options.Idle, options.Max)
	}
	return &Store{records: records, keys: keys, options: options, watcher: newWatcher(records, options.Now, options.Log)}, nil
}

// Watcher returns what tells open pages that their session ended.
func (s *Store) Watcher() *Watcher { return s.watcher }

// Get implements sessions.Store: the session of the request, looked up once.
func (s *Store) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New implements sessions.Store. A cookie that says nothing to us is the same
// as none; only a database that does not answer is an error.
func (s *Store) New(r *http.Request, name string) (*sessions.Session, error) {
	gs := sessions.NewSession(s, name)
	gs.Options = cookieOptions(0)
	gs.IsNew = true
	cookie, err := r.Cookie(name)
	if err != nil {
		return gs, nil
	}
	live, err := s.load(r.Context(), cookie.Value)
	if errors.Is(err, ErrNotFound) {
		return gs, nil
	}
	if err != nil {
		return gs, err
	}
	gs.IsNew = false
	gs.Values[contentKey] = live
	return gs, nil
}

// Save implements sessions.Store: it sets the cookie to the session's id, or
// removes it when MaxAge is negative. The record was written before.
func (s *Store) Save(_ *http.Request, w http.ResponseWriter, gs *sessions.Session) error {
	http.SetCookie(w, sessions.NewCookie(gs.Name(), gs.ID, gs.Options))
	return nil
}

func cookieOptions(maxAge int) *sessions.Options {
	// Lax, not Strict: the redirect that ends a sign-in began at another site,
	// and a Strict cookie would not come along.
	return &sessions.Options{Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// digest returns the ID that a cookie value stands for; false for anything
// that is not 256 bits in base64url.
func digest(cookie string) (ID, bool) {
	if len(cookie) != 43 {
		return ID{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil || len(raw) != 32 {
		return ID{}, false
	}
	return sha256.Sum256(raw), true
}

func place(id ID) string { return "session/" + string(id[:]) }

func (s *Store) load(ctx context.Context, cookie string) (*Session, error) {
	id, ok := digest(cookie)
	if !ok {
		return nil, ErrNotFound
	}
	live, err := s.open(ctx, id)
	if err != nil {
		return nil, err
	}
	// A short idle limit is moved more often, or it would end under whoever is
	// active all the time.
	if now := s.options.Now(); now.Sub(live.LastSeenAt) >= min(touchEvery, s.options.Idle/2) {
		live.LastSeenAt, live.EndsAt = now, earlier(now.Add(s.options.Idle), live.ExpiresAt)
		if err := s.records.TouchSession(ctx, id, live.LastSeenAt, live.EndsAt); err != nil {
			return nil, err
		}
	}
	return live, nil
}

// open returns a live session without counting as a request of its person.
func (s *Store) open(ctx context.Context, id ID) (*Session, error) {
	rec, err := s.records.LoadSession(ctx, id, s.options.Now())
	if err != nil {
		return nil, err
	}
	content, ok := s.opened.get(id)
	if !ok {
		plain, err := s.keys.Open(rec.Sealed, place(id))
		if err != nil {
			s.options.Log.WarnContext(ctx, "a session cannot be unsealed; was its key removed?", "device", rec.Device)
			return nil, ErrNotFound
		}
		if err := json.Unmarshal(plain, &content); err != nil {
			return nil, fmt.Errorf("session: content: %w", err)
		}
		s.opened.put(id, content)
	}
	if !s.options.Accept(content.User) {
		return nil, ErrNotFound
	}
	return &Session{ID: id, Content: content, Device: rec.Device, LastSeenAt: rec.LastSeenAt, EndsAt: rec.EndsAt, ExpiresAt: rec.ExpiresAt}, nil
}

// maxOpened is how many contents are kept open; of some 3 KB each.
const maxOpened = 256

// contents remembers unsealed contents. Whether a session lives is always the
// database's to say; what it holds never changes once it has begun.
type contents struct {
	mu sync.Mutex
	m  map[ID]Content
}

func (c *contents) get(id ID) (Content, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	content, ok := c.m[id]
	return content, ok
}

func (c *contents) put(id ID, content Content) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[ID]Content)
	}
	for old := range c.m {
		if len(c.m) < maxOpened {
			break
		}
		delete(c.m, old)
	}
	c.m[id] = content
}

// Find returns a live session by its id, or nil when it ended. The id must come
// from what we sealed, never from a browser as it is.
func (s *Store) Find(ctx context.Context, id ID) (*Session, error) {
	live, err := s.open(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return live, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Current returns the live session of the request, or nil when nobody is
// signed in. An error means that the database did not answer.
func (s *Store) Current(r *http.Request) (*Session, error) {
	gs, err := s.Get(r, cookieName)
	if err != nil {
		return nil, err
	}
	live, _ := gs.Values[contentKey].(*Session)
	return live, nil
}

// Peek is Current for a request that the person did not make: it does not count
// as one, so that an open page alone keeps nobody signed in.
func (s *Store) Peek(r *http.Request) (*Session, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, nil
	}
	id, ok := digest(cookie.Value)
	if !ok {
		return nil, nil
	}
	return s.Find(r.Context(), id)
}

// SignIn begins a session under a new id, which no browser had before, and sets
// its cookie. The session that the browser had until then is gone, with its
// tokens: an id that was planted in the browser leads nowhere (session fixation).
func (s *Store) SignIn(w http.ResponseWriter, r *http.Request, in SignIn) (*Session, error) {
	ctx := r.Context()
	var secret [32]byte
	rand.Read(secret[:])                                    // never fails (crypto/rand)
	now := s.options.Now().UTC().Truncate(time.Microsecond) // as precise as it is stored
	in.SignedInAt = now
	live := &Session{ID: sha256.Sum256(secret[:]), Content: in.Content, Device: in.Device, LastSeenAt: now,
		ExpiresAt: now.Add(s.options.Max)}
	live.EndsAt = earlier(now.Add(s.options.Idle), live.ExpiresAt)
	plain, err := json.Marshal(live.Content)
	if err != nil {
		return nil, fmt.Errorf("session: content: %w", err)
	}
	var replaces []ID
	if in.Replaces != (ID{}) {
		replaces = append(replaces, in.Replaces)
	}
	if cookie, err := r.Cookie(cookieName); err == nil {
		if id, ok := digest(cookie.Value); ok && id != in.Replaces {
			replaces = append(replaces, id)
		}
	}
	var tokens []SealedToken
	if in.Tokens != nil {
		if tokens, err = in.Tokens(live.ID); err != nil {
			return nil, err
		}
	}
	err = s.records.CreateSession(ctx, Record{
		ID: live.ID, Person: in.User.ID, Issuer: in.User.Issuer, SID: in.SID, SessionState: in.SessionState,
		Sealed: s.keys.Seal(plain, place(live.ID)), Device: in.Device,
		CreatedAt: now, LastSeenAt: now, ExpiresAt: live.ExpiresAt, EndsAt: live.EndsAt,
	}, tokens, replaces...)
	if err != nil {
		return nil, err
	}
	s.watcher.Ended(replaces...)
	s.opened.put(live.ID, live.Content)
	gs := sessions.NewSession(s, cookieName)
	gs.ID = base64.RawURLEncoding.EncodeToString(secret[:])
	gs.Options = cookieOptions(int(s.options.Max / time.Second))
	if err := s.Save(r, w, gs); err != nil {
		return nil, err
	}
	return live, nil
}

// endLimit is how long an ending may take.
const endLimit = 10 * time.Second

// ending is the context under which sessions end: whoever asked for it may have
// gone, but what they asked for must still be done.
func ending(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), endLimit)
}

// SignOut ends the session of the request and removes its cookie, though the
// browser may leave meanwhile. It returns the session that ended, nil when there
// was none.
func (s *Store) SignOut(w http.ResponseWriter, r *http.Request) (*Session, error) {
	ctx, cancel := ending(r.Context())
	defer cancel()
	// Not Current, which would write the time of a session that is about to end,
	// and which remembers what it could not read when the browser left.
	live, err := s.Peek(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if live != nil {
		if _, err := s.records.DeleteSession(ctx, live.ID); err != nil {
			return nil, err
		}
		s.watcher.Ended(live.ID)
	}
	gs := sessions.NewSession(s, cookieName)
	gs.Options = cookieOptions(-1)
	if err := s.Save(r, w, gs); err != nil {
		return nil, err
	}
	return live, nil
}

// EndBySID ends every session that belongs to a session of the provider, in
// whatever browser, and returns how many there were (entra.md §5.2). An empty
// issuer stands for any.
func (s *Store) EndBySID(ctx context.Context, issuer, sid string) (int, error) {
	ctx, cancel := ending(ctx)
	defer cancel()
	return s.ended(s.records.DeleteSessionsBySID(ctx, issuer, sid))
}

// EndAllOf ends every session of a person and returns how many there were.
func (s *Store) EndAllOf(ctx context.Context, person access.PersonID) (int, error) {
	ctx, cancel := ending(ctx)
	defer cancel()
	return s.ended(s.records.DeleteSessionsOfSubject(ctx, person))
}

func (s *Store) ended(ids []ID, err error) (int, error) {
	s.watcher.Ended(ids...)
	return len(ids), err
}

// listLimit bounds the list of a person's sessions.
const listLimit = 50

// SessionsOf lists a person's live sessions, the last seen first, 50 at most,
// and reports whether there are more.
func (s *Store) SessionsOf(ctx context.Context, person access.PersonID) (list []Record, more bool, err error) {
	list, err = s.records.SessionsOf(ctx, person, s.options.Now(), listLimit+1)
	if len(list) > listLimit {
		return list[:listLimit], true, err
	}
	return list, false, err
}

// End ends one session of a person, listed or not, and reports whether it was
// there; the session of somebody else is not.
func (s *Store) End(ctx context.Context, person access.PersonID, id ID) (bool, error) {
	ctx, cancel := ending(ctx)
	defer cancel()
	gone, err := s.records.DeleteSessionOf(ctx, person, id)
	if gone {
		s.watcher.Ended(id)
	}
	return gone, err
}

// Used reports whether a value of a kind was used.
func (s *Store) Used(ctx context.Context, kind, value string) (bool, error) {
	return s.records.Used(ctx, kind+"/"+value)
}

// UseOnce reports whether a value of a kind, such as a logout token's jti, is
// used for the first time; it is remembered until the time given.
func (s *Store) UseOnce(ctx context.Context, kind, value string, until time.Time) (bool, error) {
	return s.records.UseOnce(ctx, kind+"/"+value, until)
}
