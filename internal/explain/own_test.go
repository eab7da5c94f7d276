package explain

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azts.internal/portal/internal/apperr"
)

var update = flag.Bool("update", false, "write own_codes.go anew")

// derived are the places that give a code which is not written there, and why the
// table has it all the same.
var derived = map[string]string{
	"internal/apperr/apperr.go code":                         "New itself",
	"handlers/admin_settle.go e.Code":                        "the code of the error that it says in other words",
	"internal/entra/explain.go code":                         "the tables of entra",
	"internal/entra/clientcredentials.go aadstsCode(number)": "the tables of entra",
	"internal/entra/idtoken.go check":                        "the calls of refused",
}

// source finds the codes in the program's source.
type source struct {
	t      *testing.T
	consts map[string]string // package directory + name
	rows   []own
	seen   map[string]bool // of derived
}

// TestOwnCodesAreThoseOfTheSource compares the table with the source. After a
// change of an error's words: go test ./internal/explain -run OwnCodes -update
func TestOwnCodesAreThoseOfTheSource(t *testing.T) {
	s := &source{t: t, consts: map[string]string{}, seen: map[string]bool{}}
	files := s.parse(filepath.Join("..", ".."))
	for dir, list := range files {
		for _, f := range list {
			s.constants(dir, f.file)
		}
	}
	for dir, list := range files {
		for _, f := range list {
			s.errors(dir, f.name, f.file)
		}
	}
	slices.SortFunc(s.rows, func(a, b own) int {
		return strings.Compare(a.code+"\x00"+a.area+"\x00"+a.message+"\x00"+a.next, b.code+"\x00"+b.area+"\x00"+b.message+"\x00"+b.next)
	})
	rows := slices.CompactFunc(s.rows, func(a, b own) bool { return a.code == b.code && a.message == b.message && a.next == b.next })
	if len(rows) < 150 {
		t.Fatalf("only %d codes were found: where is the source?", len(rows))
	}
	if *update {
		write(t, rows)
		return
	}
	const how = "\nrun: go test ./internal/explain -run OwnCodes -update"
	for _, row := range rows {
		if !slices.Contains(ownCodes, row) {
			t.Errorf("%s of %s is not in the table, or in other words%s", row.code, row.area, how)
		}
	}
	for _, row := range ownCodes {
		if !slices.Contains(rows, row) {
			t.Errorf("%s of %s is in the table, but not in the source%s", row.code, row.area, how)
		}
	}
}

type sourceFile struct {
	name string
	file *ast.File
}

// parse reads every package but those that stand for others and those for tests.
func (s *source) parse(root string) map[string][]sourceFile {
	out := map[string][]sourceFile{}
	for _, top := range []string{"handlers", "internal", "session", "templates", "web"} {
		err := fs.WalkDir(os.DirFS(root), top, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if slices.Contains([]string{"internal/sandbox", "internal/browser", "internal/foreign", "internal/scan/scantest", "internal/store/storetest"}, name) || d.Name() == "testdata" {
					return fs.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_templ.go") {
				return nil
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			out[path.Dir(name)] = append(out[path.Dir(name)], sourceFile{name, f})
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return out
}

func (s *source) constants(dir string, f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, name := range spec.Names {
				if i < len(spec.Values) {
					if text, ok := words(spec.Values[i]); ok {
						s.consts[dir+" "+name.Name] = text
					}
				}
			}
		}
		return true
	})
}

// words returns a text as far as the source has it; what is put in when the
// program runs becomes an ellipsis.
func words(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, okLeft := words(e.X)
		right, okRight := words(e.Y)
		if !okLeft {
			left = "…"
		}
		if !okRight {
			right = "…"
		}
		return left + right, okLeft || okRight
	case *ast.CallExpr:
		if name, ok := e.Fun.(*ast.SelectorExpr); ok && name.Sel.Name == "Sprintf" && len(e.Args) > 0 {
			text, ok := words(e.Args[0])
			return verbs.Replace(text), ok
		}
	}
	return "", false
}

var verbs = strings.NewReplacer("%s", "…", "%d", "…", "%q", "…", "%v", "…", "%%", "%")

func (s *source) text(dir string, e ast.Expr) (string, bool) {
	if text, ok := words(e); ok {
		return text, true
	}
	if id, ok := e.(*ast.Ident); ok {
		text, ok := s.consts[dir+" "+id.Name]
		return text, ok
	}
	return "", false
}

// errors finds apperr.New(…).WithNext(…).WithRetry(), literals with Code and
// words, and the checks of an ID token.
func (s *source) errors(dir, name string, f *ast.File) {
	done := map[ast.Node]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if done[n] {
				return true
			}
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "refused" && len(n.Args) == 2 && dir == "internal/entra" {
				s.check(dir, n)
				return true
			}
			row := own{area: dir}
			call := n
			for {
				fun, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if id, ok := fun.X.(*ast.Ident); ok && id.Name == "apperr" && fun.Sel.Name == "New" && len(call.Args) == 3 {
					done[call] = true
					code, ok := s.text(dir, call.Args[1])
					if !ok {
						s.derived(name, call.Args[1])
						return true
					}
					row.code = code
					row.message, _ = s.text(dir, call.Args[2])
					s.add(row)
					return true
				}
				switch fun.Sel.Name {
				case "WithNext":
					if len(call.Args) == 2 {
						row.mender = mender(call.Args[0])
						row.next, _ = s.text(dir, call.Args[1])
					}
				case "WithRetry":
					row.retry = true
				}
				inner, ok := fun.X.(*ast.CallExpr)
				if !ok {
					return true
				}
				done[inner] = true
				call = inner
			}
		case *ast.CompositeLit:
			if kind := typeName(n.Type); kind == "Error" || kind == "Problem" {
				if row := s.literal(dir, n); row.code != "" && row.message != "" {
					s.add(row)
				} else if kind == "Error" {
					for _, e := range n.Elts {
						if kv, ok := e.(*ast.KeyValueExpr); ok && typeName(kv.Key) == "Code" && row.code == "" {
							s.derived(name, kv.Value)
						}
					}
				}
			}
		}
		return true
	})
}

// check adds a check of a token (entra's refused). The person is told the same for
// all; the desk is told which it was, in the words of the cause.
func (s *source) check(dir string, call *ast.CallExpr) {
	code, ok := s.text(dir, call.Args[0])
	if !ok {
		s.t.Errorf("a check of %s has no name that can be read", dir)
		return
	}
	why := ""
	if cause, ok := call.Args[1].(*ast.CallExpr); ok && len(cause.Args) > 0 {
		why, _ = words(cause.Args[0])
		why = verbs.Replace(why)
	}
	codes := []string{code}
	if end, found := strings.CutPrefix(code, "…"); found {
		codes = []string{"id_token" + end, "logout_token" + end}
	}
	for _, code := range codes {
		detail := why
		for end, words := range checkWords {
			if strings.HasSuffix(code, end) {
				detail = words
			}
		}
		if detail == "" {
			s.t.Errorf("nothing says what the check %s is about: see checkWords", code)
		}
		s.add(own{code: code, area: dir, mender: apperr.MenderHelpDesk, retry: true,
			message: "What the company sign-in sent did not pass our checks: " + detail + ".",
			next:    "Start the sign-in again. If it stays, the developer looks for the reference in the portal's log."})
	}
}

// checkWords are for checks whose cause is told by a library, by the end of their code.
var checkWords = map[string]string{
	"_malformed": "it is no signed token of the kind that was expected, or it is too long",
	"_key":       "the key of its signature is not among those of the company sign-in",
	"_signature": "its signature does not fit its content",
	"_aud":       "it was made for another application",
	"_azp":       "it was made for several applications, and not by asking of this one",
	"_person":    "it does not say who signed in",
	"_sid":       "its session id is too long",
	"_exp":       "it has expired",
	"_nbf":       "it is not valid yet: a clock is wrong",
	"_iat":       "it was made too long ago, or in the future: a clock is wrong",
	"_tid":       "it names another organization than its issuer",
	"token_iss":  "another sign-in service made it",
	"answer_iss": "the answer does not name the sign-in service that was asked",
}

func (s *source) literal(dir string, lit *ast.CompositeLit) own {
	row := own{area: dir}
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return own{}
		}
		key, _ := kv.Key.(*ast.Ident)
		if key == nil {
			return own{}
		}
		switch key.Name {
		case "Code":
			row.code, _ = s.text(dir, kv.Value)
		case "Message", "What":
			row.message, _ = s.text(dir, kv.Value)
		case "Title":
			if row.message == "" {
				row.message, _ = s.text(dir, kv.Value)
			}
		case "Next":
			row.next, _ = s.text(dir, kv.Value)
		case "Mender":
			row.mender = mender(kv.Value)
		case "Retry":
			row.retry = true
		}
	}
	return row
}

var menderNames = map[apperr.Mender]string{apperr.MenderNobody: "MenderNobody", apperr.MenderPerson: "MenderPerson", apperr.MenderHelpDesk: "MenderHelpDesk",
	apperr.MenderAdmin: "MenderAdmin", apperr.MenderDeveloper: "MenderDeveloper"}

func mender(e ast.Expr) apperr.Mender {
	for m, name := range menderNames {
		if typeName(e) == name {
			return m
		}
	}
	return apperr.MenderNobody
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func (s *source) add(row own) {
	if row.code == "" || row.message == "" {
		s.t.Errorf("a code %q of %s has no words that can be read", row.code, row.area)
		return
	}
	if rest, found := strings.CutPrefix(row.message, "… "); found && row.area == "internal/azhttp" {
		row.message = "The service " + rest // its name comes from whoever calls it
	}
	row.next = strings.ReplaceAll(row.next, "the reference below", "the reference")
	s.rows = append(s.rows, row)
}

func (s *source) derived(name string, e ast.Expr) {
	var b bytes.Buffer
	_ = format.Node(&b, token.NewFileSet(), e)
	where := name + " " + b.String()
	if derived[where] == "" {
		s.t.Errorf("%s: this code is read from no table: write it out, or say in derived where it comes from", where)
	}
	s.seen[where] = true
}

func write(t *testing.T, rows []own) {
	var b bytes.Buffer
	b.WriteString("// Code generated by TestOwnCodesAreThoseOfTheSource -update; DO NOT EDIT.\n\npackage explain\n\nimport \"azts.internal/portal/internal/apperr\"\n\n")
	b.WriteString("// ownCodes are the codes of this portal, in the words of its source.\nvar ownCodes = []own{\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "{code: %q, message: %q, next: %q, mender: apperr.%s, retry: %t, area: %q},\n", row.code, row.message, row.next, menderNames[row.mender], row.retry, row.area)
	}
	b.WriteString("}\n")
	text, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("own_codes.go", text, 0o644); err != nil {
		t.Fatal(err)
	}
}
