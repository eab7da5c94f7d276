package templates

import (
	"go/format"
	"os/exec"
	"strings"
	"testing"
)

var sampleCommands = Commands{APIURL: "https://azts.example/", Scope: "api://a'b/user_impersonation", AppIDURI: "api://a'b", TenantID: sampleID(1),
	ClientID: sampleID(2), LoginURL: "https://login.example"}

// TestCommandsKeepTheTokenOutOfHistory: a token in a command line would stay in
// the shell's history and in the list of processes.
func TestCommandsKeepTheTokenOutOfHistory(t *testing.T) {
	for _, get := range []bool{false, true} {
		sets := sampleCommands.Sets(get)
		if len(sets) < 4 {
			t.Fatalf("%d tools", len(sets))
		}
		for _, s := range sets {
			file, ok := sampleCommands.CommandFile(s.File)
			if !ok {
				t.Fatalf("%s: there is no file %s", s.Label, s.File)
			}
			for _, want := range []string{"https://azts.example", "/adhocscan/RequestScan?api-version=1.0", "/ControlScanResult?api-version=1.0", "/ComplianceSummary/search"} {
				if !strings.Contains(file, want) {
					t.Errorf("%s lacks %s", s.File, want)
				}
			}
			for _, block := range s.Blocks {
				if !strings.Contains(file, block.Code) || block.Title == "" {
					t.Errorf("%s lacks the block %q", s.File, block.Title)
				}
			}
			for _, gap := range []string{"{api}", "{scope}", "{tenant}", "{client}", "{login}", "{default}", "{resource}", "azts.example//", "eyJ", `-H "Authorization`, "-H 'Authorization", "AZTS_TOKEN=…"} {
				if strings.Contains(file, gap) {
					t.Errorf("%s holds %s", s.File, gap)
				}
			}
		}
	}
	for _, name := range []string{"", "azts", "../snippets.go", "azts.ps1/"} {
		if _, ok := sampleCommands.CommandFile(name); ok {
			t.Errorf("there is a file %q", name)
		}
	}
}

// TestGetCommandsNameTheSameToken: what gets a token without the portal asks the
// same tenant for the same scope.
func TestGetCommandsNameTheSameToken(t *testing.T) {
	for _, s := range sampleCommands.Sets(true) {
		file, _ := sampleCommands.CommandFile(s.File)
		if !strings.Contains(file, sampleID(1)) || !strings.Contains(file, "api://a") || !strings.Contains(strings.ToLower(file), "device") {
			t.Errorf("%s lacks the tenant, the scope or the device code", s.File)
		}
	}
}

// TestCommandsAskAsAPublicClient: the portal is a confidential client, whose id is
// refused where no secret comes along.
func TestCommandsAskAsAPublicClient(t *testing.T) {
	for _, s := range sampleCommands.Sets(true) {
		file, _ := sampleCommands.CommandFile(s.File)
		if own := strings.Contains(file, sampleCommands.ClientID); own != strings.Contains(file, "AADSTS7000218") || own != (s.Key == "msal-ps" || s.Key == "get-curl") {
			t.Errorf("%s does not say which client asks", s.File)
		}
	}
}

// TestCommandsAreOfTheirLanguage: they parse, also with a quotation mark in what
// is filled in.
func TestCommandsAreOfTheirLanguage(t *testing.T) {
	for _, tool := range commandTools {
		file, _ := sampleCommands.CommandFile(tool.file)
		switch {
		case strings.HasSuffix(tool.file, ".sh"):
			check := exec.CommandContext(t.Context(), "bash", "-n")
			check.Stdin = strings.NewReader(file)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", tool.file, err, out)
			}
		case strings.HasSuffix(tool.file, ".go"):
			formatted, err := format.Source([]byte(file))
			if err != nil || string(formatted) != file {
				t.Errorf("%s is not in gofmt's form: %v", tool.file, err)
			}
		case strings.HasSuffix(tool.file, ".ps1"):
			if strings.Count(file, "(") != strings.Count(file, ")") || strings.Count(file, "{") != strings.Count(file, "}") ||
				strings.Contains(file, "a'b") && !strings.Contains(file, "a''b") {
				t.Errorf("%s: brackets or quotes do not fit", tool.file)
			}
		default:
			t.Errorf("%s is of no known language", tool.file)
		}
	}
}

func TestGapsAreNamed(t *testing.T) {
	for _, s := range append(Commands{}.Sets(true), Commands{}.Sets(false)...) {
		file, _ := Commands{}.CommandFile(s.File)
		if !strings.Contains(file, "<address of the AzTS Web API>") {
			t.Errorf("%s does not name the gap", s.File)
		}
	}
}
