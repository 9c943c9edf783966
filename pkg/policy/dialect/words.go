package dialect

import (
	"maps"
	"slices"
	"strings"
)

// Words of other dialects, in lower case, by the canonical one.

var actions = map[string][]string{
	"file.read":       {"file_read", "file:read", "safe.read.file", "filesystem.read"},
	"file.write":      {"file_write", "file:write", "filesystem.write"},
	"file.delete":     {"file_delete", "file:delete", "filesystem.delete", "dangerous.delete"},
	"process.exec":    {"shell_exec", "shell_execute", "shell.exec", "shell.execute", "shell:execute", "code.exec", "bash.execute"},
	"network.request": {"network", "network_request", "network:request", "network.http"},
	"file.*":          {"file:*", "filesystem.*"},
}

var operators = map[string][]string{
	"glob":       nil,
	"equals":     {"eq"},
	"in":         nil,
	"startsWith": {"starts_with"},
	"endsWith":   {"ends_with"},
	"contains":   nil,
	regex:        {"matches", "pattern"},
}

// regex stands for an operator that the language does not have.
const regex = "regex"

var effects = map[string][]string{
	"allow":  nil,
	"deny":   {"block"},
	"audit":  nil,
	approval: {"require_approval", "prompt", "human_review", "escalate"},
}

// approval is a decision that waits for a person.
const approval = "approval"

// subjects are fields that say what a rule is about. target and resource are
// whatever the rule's actions are about.
var subjects = map[string][]string{
	"path":    {"paths"},
	"host":    {"domain", "destination", "url"},
	"command": nil,
	"exe":     nil,
	anything:  {"target", "resource"},
}

const anything = "anything"

// canonical returns the word of a table that a spelling stands for.
func canonical(table map[string][]string, spelling string) (word string, ok bool) {
	if _, ok := table[spelling]; ok {
		return spelling, true
	}
	lower := strings.ToLower(spelling)
	for word, others := range table {
		if strings.EqualFold(word, spelling) || slices.Contains(others, lower) {
			return word, true
		}
	}
	return "", false
}

// spellings lists all words of a table, for messages.
func spellings(table map[string][]string) string {
	var out []string
	for _, word := range slices.Sorted(maps.Keys(table)) {
		out = append(append(out, word), table[word]...)
	}
	return strings.Join(out, ", ")
}

// allActions is what a rule is about that names no action.
var allActions = []string{"file.*", "process.exec", "network.request"}
