package image

import (
	"path"
	"strings"
)

// Start is one program that the entry point starts.
type Start struct {
	Path      string // real
	Requested string // as it was called
	Script    bool   // a #! script: the interpreter is the next one, in the same exec
	SameExec  bool   // the interpreter of the script before it
	Launcher  bool   // starts another program in its place
}

// Command is how a container starts.
type Command struct {
	Args []string
	Path string // where programs are looked for; "" for the usual
	Dir  string
}

const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// maxStarts bounds a chain; a real one has three or four links.
const maxStarts = 16

// Chain follows an entry point through #! lines and launchers, as far as the
// files tell. isLauncher says which real paths start other programs. The note
// says why it ends where it does, if that is not the last program.
func (m *Image) Chain(c Command, isLauncher func(string) bool) (starts []Start, note string) {
	args := c.Args
	for len(args) > 0 && len(starts) < maxStarts {
		found, ok := m.find(c, args[0])
		if !ok {
			return starts, args[0] + " is not in the image"
		}
		s := Start{Path: found, Requested: args[0]}
		interpreter, script := m.shebang(found)
		called := args
		text := ""
		if script {
			s.Script = true
			starts = append(starts, s)
			text = found
			real, ok := m.find(c, interpreter[0])
			if !ok {
				return starts, interpreter[0] + ", the interpreter of " + found + ", is not in the image"
			}
			called = append(append(interpreter[:len(interpreter):len(interpreter)], found), args[1:]...)
			s = Start{Path: real, Requested: interpreter[0], SameExec: true}
		}
		s.Launcher = isLauncher(s.Path)
		starts = append(starts, s)
		if !s.Launcher {
			return starts, ""
		}
		next, why := launched(m, called, text)
		if why != "" {
			return starts, why
		}
		args = next
	}
	return starts, ""
}

// find returns the real path of a program.
func (m *Image) find(c Command, name string) (string, bool) {
	if strings.Contains(name, "/") {
		if !strings.HasPrefix(name, "/") {
			name = path.Join("/", c.Dir, name)
		}
		r := m.Resolve(name)
		return r.Path, r.Exists && !r.Dir
	}
	dirs := c.Path
	if dirs == "" {
		dirs = usualPath
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		if r := m.Resolve(path.Join("/", dir, name)); r.Exists && !r.Dir {
			return r.Path, true
		}
	}
	return "", false
}

// shebang returns the interpreter of a script and its argument, which is one
// whatever spaces it has.
func (m *Image) shebang(real string) ([]string, bool) {
	line, _, _ := strings.Cut(string(m.head(real, 256)), "\n")
	line, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return nil, false
	}
	name, arg, _ := strings.Cut(strings.Trim(line, " \t\r"), " ")
	if name == "" {
		return nil, false
	}
	if arg = strings.Trim(arg, " \t"); arg != "" {
		return []string{name, arg}, true
	}
	return []string{name}, true
}
