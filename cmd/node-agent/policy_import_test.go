package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPolicyImport(t *testing.T) {
	old := "default: DENY\nrules:\n  - {id: a, action: file_read, target: /data/**, effect: ALLOW}\n"
	out, notes, code := commandWithErrors(t, old, "policy", "import", "-")
	if code != 0 || !strings.HasPrefix(out, "version: 1\ndefaultAction: deny\n") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if !strings.Contains(notes, "-:3:32: note: a: target: \"/data/**\" is written path: \"/data/**\"\n") {
		t.Errorf("notes:\n%s", notes)
	}
	again, notes, code := commandWithErrors(t, out, "policy", "import", "-")
	if again != out || notes != "" || code != 0 {
		t.Errorf("exit %d, a second import changes it:\n%s%s", code, again, notes)
	}

	refused := old + "  - {id: b, action: file_read, target: {matches: 'a+'}, effect: BLOCK}\n"
	out, notes, code = commandWithErrors(t, refused, "policy", "import", "-")
	if code != exitUsage || out != "" || !strings.Contains(notes, "-:4:") || !strings.Contains(notes, "refused: b: ") {
		t.Errorf("exit %d:\n%s%s", code, out, notes)
	}
	out, _, code = commandWithErrors(t, refused, "policy", "import", "--partial", "-")
	if code != exitFindings || !strings.Contains(out, "# not imported: b (line 4)") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	out, notes, code = commandWithErrors(t, refused, "policy", "import", "-o", "json", "-")
	var got importResult
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitUsage || notes != "" || got.Policy != "" || len(got.Refused) != 1 || got.Refused[0].Rule != "b" {
		t.Errorf("exit %d, %v, %+v\n%s", code, err, got, notes)
	}
	if _, code := command(t, "a: [\n", "policy", "import", "-"); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}
