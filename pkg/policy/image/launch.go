package image

import (
	"path"
	"slices"
	"strings"
)

// options says how the command line of a launcher leads to the program that it
// starts.
type options struct {
	withValue []string // options whose value is the next word
	skip      int      // words between the options and the program
	assigns   bool     // NAME=VALUE words stand before the program
}

var launchers = map[string]options{
	"tini":        {withValue: []string{"-p", "-e"}},
	"tini-static": {withValue: []string{"-p", "-e"}},
	"dumb-init":   {withValue: []string{"-r", "--rewrite"}},
	"catatonit":   {},
	"su-exec":     {skip: 1},
	"gosu":        {skip: 1},
	"env":         {withValue: []string{"-u", "--unset", "-C", "--chdir"}, assigns: true},
	"setpriv": {withValue: []string{
		"--reuid", "--regid", "--groups", "--inh-caps", "--ambient-caps", "--bounding-set", "--securebits", "--selinux-label", "--apparmor-profile", "--pdeathsig",
	}},
	"runuser": {withValue: []string{"-u", "--user", "-g", "-G"}},
}

// maxScript is how much of a script is read to see what it starts in the end.
const maxScript = 1 << 20

// launched returns the command line that a launcher starts, or why that cannot
// be told. script is the real path of the script that a shell runs.
func launched(m *Image, args []string, script string) (next []string, why string) {
	name := path.Base(args[0])
	if name == "busybox" && len(args) > 1 {
		args = args[1:]
		name = path.Base(args[0])
	}
	if o, ok := launchers[name]; ok {
		return o.program(args[1:]), ""
	}
	return m.shell(args[1:], script)
}

// program leaves out what is meant for the launcher itself.
func (o options) program(args []string) []string {
	for len(args) > 0 {
		a := args[0]
		switch {
		case a == "--":
			args = args[1:]
			return args[min(o.skip, len(args)):]
		case o.assigns && (a == "-S" || a == "--split-string") && len(args) > 1:
			return o.program(append(strings.Fields(args[1]), args[2:]...))
		case o.assigns && strings.HasPrefix(a, "-S"): // one word on a #! line
			return o.program(append(strings.Fields(a[2:]), args[1:]...))
		case slices.Contains(o.withValue, a):
			args = args[min(2, len(args)):]
		case strings.HasPrefix(a, "-") && a != "-", o.assigns && strings.Contains(a, "="):
			args = args[1:]
		default:
			return args[min(o.skip, len(args)):]
		}
	}
	return nil
}

// shell returns what a shell starts: the words of a plain -c command, or the
// arguments of a script that hands them on with exec "$@".
func (m *Image) shell(args []string, script string) (next []string, why string) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if strings.HasSuffix(args[0], "c") && !strings.HasPrefix(args[0], "--") && len(args) > 1 {
			return plainCommand(args[1])
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return nil, "a shell without a script starts what it is told"
	}
	if script == "" {
		script = m.Resolve(args[0]).Path
	}
	text := string(m.head(script, maxScript))
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == "exec" && slices.ContainsFunc(words, func(w string) bool { return w == `"$@"` || w == "$@" || w == `"${@}"` }) {
			at := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, "@") })
			return append(slices.Clone(words[1:at]), args[1:]...), ""
		}
	}
	return nil, "what " + script + " starts cannot be told from its arguments"
}

// plainCommand splits a shell command that has nothing but words.
func plainCommand(text string) ([]string, string) {
	if strings.ContainsAny(text, "|&;<>()$`\\\"'*?[]#~=%{}\n") {
		return nil, "what the shell command " + text + " starts is for the shell to say"
	}
	words := strings.Fields(text)
	if len(words) > 0 && words[0] == "exec" {
		words = words[1:]
	}
	return words, ""
}
