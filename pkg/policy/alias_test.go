package policy

import "testing"

// TestAliasesInside: a denial by a part of a path fires under every name of the
// directory that the part can begin with.
func TestAliasesInside(t *testing.T) {
	for _, tt := range []struct {
		matcher string
		yes, no []string
	}{
		{"'**/var/run/secrets/**'", []string{"/run/secrets/x", "/var/run/secrets/x", "/a/var/run/secrets/x"}, []string{"/a/run/secrets/x", "/run/x"}},
		{"{contains: /var/run/secrets}", []string{"/run/secrets/x", "/run/secrets2", "/a/var/run/secrets/x"}, []string{"/a/run/secrets/x"}},
		{"{contains: var/run/secrets/}", []string{"/run/secrets/x", "/avar/run/secrets/x"}, []string{"/a/run/secrets/x", "/run/secrets"}},
		{"{endsWith: /var/run/docker.sock}", []string{"/run/docker.sock", "/a/var/run/docker.sock"}, []string{"/run/docker.sock2", "/a/run/docker.sock"}},
		{"{endsWith: /usr/bin/curl}", []string{"/bin/curl", "/a/usr/bin/curl"}, []string{"/a/bin/curl"}},
		{"'**/usr/bin/curl'", []string{"/bin/curl", "/usr/bin/curl"}, []string{"/a/bin/curl"}},
		{"'**/bin/curl'", []string{"/bin/curl", "/usr/bin/curl", "/a/bin/curl"}, []string{"/usr/bin/a/curl"}},
		{"'**/proc/self/environ'", []string{"/proc/7/environ"}, []string{"/proc/x/environ"}},
		{"{contains: /proc/self/}", []string{"/proc/7/environ"}, []string{"/proc/7"}},
		{"{endsWith: proc/self/environ}", []string{"/proc/7/environ"}, []string{"/7/environ"}},
	} {
		src := "version: 1\nbaseline: none\nrules:\n- {id: r, action: file.read, path: " + tt.matcher + ", decision: deny}\n"
		var situations []situation
		for _, path := range tt.yes {
			situations = append(situations, situation{KindRead, root(path), Facts{}, "r", false})
		}
		for _, path := range tt.no {
			situations = append(situations, situation{KindRead, root(path), Facts{}, "default", false})
		}
		t.Run(tt.matcher, func(t *testing.T) { runSituations(t, src, Options{}, situations) })
	}
}
