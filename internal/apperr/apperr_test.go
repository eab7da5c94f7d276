package apperr_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"azts.internal/portal/internal/apperr"
)

func TestEveryKindAndMenderHasANameOfItsOwn(t *testing.T) {
	seen := make(map[string]bool)
	for kind := apperr.Internal; kind <= apperr.Timeout; kind++ {
		if name := kind.String(); name == "unknown" || seen[name] {
			t.Errorf("kind %d is %q", kind, name)
		} else {
			seen[name] = true
		}
	}
	for mender := apperr.MenderNobody; mender <= apperr.MenderDeveloper; mender++ {
		if name := mender.String(); name == "unknown" || seen[name] {
			t.Errorf("mender %d is %q", mender, name)
		} else {
			seen[name] = true
		}
	}
	if apperr.Kind(200).String() != "unknown" || apperr.Mender(200).String() != "unknown" {
		t.Error("a value that is none has a name")
	}
}

func TestErrorsAreValues(t *testing.T) {
	base := apperr.New(apperr.Expired, "state_used", "Used.")
	full := base.WithNext(apperr.MenderPerson, "Start again.").WithRetry().Because(io.EOF)
	if full.Next != "Start again." || full.Mender != apperr.MenderPerson || !full.Retry || !errors.Is(full, io.EOF) || full.Code != "state_used" {
		t.Errorf("%+v", full)
	}
	// Many requests share the package's variables: none may write to them.
	if base.Next != "" || base.Retry || base.Cause != nil || base.Mender != apperr.MenderNobody {
		t.Errorf("the first was changed: %+v", base)
	}
	if cause := base.Becausef("line %d: %w", 7, io.EOF); cause.Error() != "state_used: Used.: line 7: EOF" || !errors.Is(cause, io.EOF) {
		t.Errorf("%v", cause)
	}
	if text := (&apperr.Error{Kind: apperr.Timeout}).Error(); text != "timeout" {
		t.Errorf("without words: %q", text)
	}
}

func TestFrom(t *testing.T) {
	if apperr.From(nil) != nil {
		t.Error("nil is an error")
	}
	own := apperr.New(apperr.NotFound, "not_found", "Nothing here.")
	if got := apperr.From(fmt.Errorf("looking: %w", own)); got != own {
		t.Errorf("our own error became %+v", got)
	}
	strange := errors.New("pq: password authentication failed for user portal")
	got := apperr.From(strange)
	if got.Kind != apperr.Internal || got.Cause != strange || got.Message == "" || got.Next == "" {
		t.Errorf("%+v", got)
	}
	for _, shown := range []string{got.Message, got.Next, got.Code} {
		if shown == strange.Error() {
			t.Error("the cause is shown to people")
		}
	}
}

func TestKindAndCodeAreFoundBelowOtherErrors(t *testing.T) {
	err := fmt.Errorf("scan: %w", errors.Join(io.EOF, apperr.New(apperr.TooMany, "quota", "Enough.")))
	if !apperr.IsKind(err, apperr.TooMany) || apperr.IsKind(err, apperr.Internal) || !apperr.HasCode(err, "quota") || apperr.HasCode(err, "") {
		t.Error("kind or code is not found")
	}
	// The zero Kind is Internal: an error of others must not pass for one of ours.
	if apperr.IsKind(io.EOF, apperr.Internal) || apperr.IsKind(nil, apperr.Internal) || apperr.HasCode(io.EOF, "") || apperr.HasCode(nil, "") {
		t.Error("an error of others has a kind or a code")
	}
}
