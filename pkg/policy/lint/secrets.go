package lint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// credentials are where a pod's own secrets lie, whatever the image.
var credentials = []string{
	"/run/secrets/kubernetes.io/**", "/run/secrets/eks.amazonaws.com/**", "/run/secrets/azure/**", "/root/.*/**",
}

// secrets finds allows that reach what the baseline leaves out as secret.
func (l *linter) secrets() {
	fixed, anywhereNamed := credentials[:len(credentials):len(credentials)], []string(nil)
	for _, name := range policy.SensitiveNames() {
		if strings.HasPrefix(name, "/") {
			fixed = append(fixed, name)
		} else {
			anywhereNamed = append(anywhereNamed, name)
		}
	}
	known, common := readers(fixed), readers(anywhereNamed)
	all := readers(append(anywhereNamed, fixed...))
	if known == nil || common == nil || all == nil {
		return
	}
	wide := l.everywhere(policy.KindRead)
	reported := map[*policy.Rule]bool{}
	l.eachSecret(known, func(r *policy.Rule, example product.Action) {
		reported[r] = true
		if l.within(r, all) {
			l.about(r, Info, "secret-named", fmt.Sprintf("it lets the program read %s", example), "that is what it names; nothing to do if the program needs it")
			return
		}
		l.about(r, Warning, "secret-readable", fmt.Sprintf("it lets the program read %s", example),
			"narrow it, or put a deny for file.read above it")
	})
	l.eachSecret(common, func(r *policy.Rule, example product.Action) {
		switch {
		case reported[r]:
		case l.within(r, all):
			l.about(r, Info, "secret-named", fmt.Sprintf("it lets the program read %s", example), "that is what it names; nothing to do if the program needs it")
		case r == wide:
			l.about(r, Warning, "secret-readable", fmt.Sprintf("it lets the program read %s", example),
				"narrow it, or put a deny for file.read above it")
		default:
			l.about(r, Info, "sensitive-readable", fmt.Sprintf("names that are often secret are readable, such as %s", example),
				"if such files are there, put a deny for file.read above it")
		}
	})
}

// readers returns tables whose one rule matches reading what the globs name.
func readers(globs []string) *policy.Tables {
	quoted := make([]string, len(globs))
	for i, g := range globs {
		quoted[i] = strconv.Quote(g)
	}
	src := "version: 1\nbaseline: none\nrules:\n  - action: file.read\n    decision: deny\n    path: {glob: [" + strings.Join(quoted, ", ") + "]}\n"
	p, err := policy.Parse("", []byte(src))
	if err != nil {
		return nil
	}
	t, err := policy.Compile(p, policy.Options{})
	if err != nil {
		return nil
	}
	return t
}

// eachSecret calls visit for each rule of the policy that allows reading
// something in secrets, with one example.
func (l *linter) eachSecret(secrets *policy.Tables, visit func(*policy.Rule, product.Action)) {
	seen := map[*policy.Rule]bool{}
	product.EachMatched(policy.KindRead, []*policy.Tables{secrets, l.tables}, func(o product.Outcome) {
		r := l.own(o.Verdicts[1].Rule)
		if r == nil || !o.Verdicts[1].Allow || !r.HasMatcher() || seen[r] {
			return
		}
		seen[r] = true
		visit(r, o.Action)
	})
}

// within reports whether a rule matches nothing but secrets: whoever wrote it
// meant them.
func (l *linter) within(r *policy.Rule, secrets *policy.Tables) bool {
	alone := l.alone(*r)
	if alone == nil {
		return false
	}
	inside := true
	product.EachMatched(policy.KindRead, []*policy.Tables{alone, secrets}, func(o product.Outcome) {
		inside = inside && secrets.Rules[o.Verdicts[1].Rule].Origin == policy.OriginUser
	})
	return inside
}
