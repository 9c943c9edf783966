package policy

import "strings"

// synonyms are words of other SafeClaw dialects and their canonical form.
var synonyms = map[string]string{
	"default": "defaultAction", "defaulteffect": "defaultAction",
	"effect": "decision", "message": "reason", "description": "reason", "name": "id",
	"paths": "path", "target": "path", "resource": "path", "file": "path",
	"hosts": "host", "domain": "host", "destination": "host", "url": "host", "hostname": "host",
	"ports": "port", "proto": "protocol", "cidrs": "cidr", "ip": "cidr",
	"block": "deny", "reject": "deny", "permit": "allow",
	"file_read": "file.read", "file:read": "file.read", "filesystem.read": "file.read", "safe.read.file": "file.read",
	"file_write": "file.write", "file:write": "file.write", "filesystem.write": "file.write",
	"dangerous.delete": "file.delete",
	"shell_exec":       "process.exec", "shell_execute": "process.exec", "shell.exec": "process.exec",
	"shell.execute": "process.exec", "shell:execute": "process.exec", "code.exec": "process.exec",
	"bash.execute": "process.exec",
	"network":      "network.request", "network_request": "network.request",
	"network:request": "network.request", "network.http": "network.request",
	"eq": "equals", "starts_with": "startsWith", "prefix": "startsWith",
	"ends_with": "endsWith", "suffix": "endsWith",
}

// Suggest is what messages about an unknown word end with: the known word that
// was probably meant, or all of them.
func Suggest(word string, known []string) string { return suggest(word, known) }

// suggest returns a hint naming the known word nearest to word, or "".
func suggest(word string, known []string) string {
	lower := strings.ToLower(word)
	if s, ok := synonyms[lower]; ok {
		for _, k := range known {
			if k == s {
				return didYouMean(k)
			}
		}
	}
	best, dist := "", 0
	for _, k := range known {
		d := editDistance(lower, strings.ToLower(k))
		if best == "" || d < dist {
			best, dist = k, d
		}
	}
	if best != "" && dist <= max(1, min(3, len(best)/3)) {
		return didYouMean(best)
	}
	return "known here: " + strings.Join(known, ", ")
}

func didYouMean(word string) string { return `did you mean "` + word + `"?` }

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours. Words longer than 40 bytes are near nothing.
func editDistance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 100
	}
	var d [41][41]int
	for i := range len(a) + 1 {
		d[i][0] = i
	}
	for j := range len(b) + 1 {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
