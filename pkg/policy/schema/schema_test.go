package schema

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	src, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(ID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(ID)
	if err != nil {
		t.Fatalf("the schema is no schema: %v", err)
	}
	return s
}

// value turns a YAML tree into what a JSON validator takes.
func value(n *policy.Node) any {
	switch n.Kind {
	case policy.Map:
		out := map[string]any{}
		for i, k := range n.Keys {
			out[k.Text] = value(n.Values[i])
		}
		return out
	case policy.List:
		out := []any{}
		for _, v := range n.Values {
			out = append(out, value(v))
		}
		return out
	}
	switch n.Tag {
	case "!!int", "!!float":
		return json.Number(n.Text)
	case "!!bool":
		b, _ := strconv.ParseBool(n.Text)
		return b
	case "!!null":
		return nil
	}
	return n.Text
}

// judge returns what the parser and the schema say about a policy.
func judge(t *testing.T, s *jsonschema.Schema, src string) (parser, schema error) {
	t.Helper()
	_, parser = policy.Parse("p", []byte(src))
	tree, err := policy.Tree("p", []byte(src))
	if err != nil {
		t.Fatalf("%v in\n%s", err, src)
	}
	return parser, s.Validate(value(tree))
}

// TestFixtures: what people write is valid, byte for byte.
func TestFixtures(t *testing.T) {
	s := compiled(t)
	var files []string
	for _, glob := range []string{"../testdata/*.yaml", "../../../deploy/examples/*.yaml", "../../../test/demo-root/*.yaml"} {
		more, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	if len(files) < 4 {
		t.Fatalf("only %d fixtures", len(files))
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if parser, schema := judge(t, s, string(src)); parser != nil || schema != nil {
			t.Errorf("%s: parser: %v, schema: %v", f, parser, schema)
		}
	}
}

const head = "version: 1\nrules:\n  - "

// TestGood: the schema never refuses what the parser accepts, whatever field
// or operator it uses.
func TestGood(t *testing.T) {
	s := compiled(t)
	docs := []string{
		"version: 1\n", "version: '1'\n", "version: 1\nrules: []\n",
		"version: 1\nbuiltin: {ptrace: allow}\nconnections: cut\n",
		"version: 1\ndns: {types: [TXT, 99, null], tcp: allow, maxLabel: 63, rate: 10}\n", "version: 1\ndns: {types: txt}\n",
		"version: 1\naudit: {allow: each, file.read: {allow: count, deny: each}, 'file.*': {}}\n",
		head + "{action: [file.read, 'file.*'], path: {in: []}, decision: audit, reason: ''}\n",
		head + "{action: network.request, port: [1, '2-3', ' 4 - 5 '], protocol: [tcp, udp], cidr: [10.0.0.0/8], decision: deny}\n",
		head + "{action: network.request, port: '65535', protocol: udp, cidr: '::1', decision: deny}\n",
		head + "{id: größe, action: process.exec, exe: /bin/x, command: {startsWith: [git, go build]}, decision: deny}\n",
	}
	for field, v := range map[string]string{"path": "/x", "exe": "/x", "command": "x", "host": "a.x"} {
		action := map[string]string{"path": "file.read", "exe": "file.read", "command": "process.exec", "host": "network.request"}[field]
		for _, op := range policy.Language().Operators {
			for _, val := range []string{v, "[" + v + "]"} {
				docs = append(docs, head+"{action: "+action+", "+field+": {"+op+": "+val+"}, decision: allow}\n")
			}
		}
		docs = append(docs, head+"{action: "+action+", "+field+": "+v+", decision: allow}\n", head+"{action: "+action+", "+field+": {}, decision: allow}\n")
	}
	good := 0
	for _, src := range docs {
		parser, schema := judge(t, s, src)
		if (parser == nil) != (schema == nil) {
			t.Errorf("parser: %v\nschema: %v\n%s", parser, schema, src)
		}
		if parser == nil {
			good++
		}
	}
	if good < 40 {
		t.Errorf("only %d good policies", good)
	}
}

// TestBad: what the parser refuses for its shape the schema refuses too.
func TestBad(t *testing.T) {
	s := compiled(t)
	for _, src := range []string{
		"rules: []\n", "version: 2\n", "version: 1\nrule: []\n", "version: 1\nrules: {}\n", "version: 1\nmode: permissive\n", "[]\n",
		"version: 1\nbuiltin: {bpf: allow}\n", "version: 1\nbuiltin: {ptrace: deny}\n", "version: 1\ndns: {maxLabel: 64}\n",
		"version: 1\ndns: {rate: 0}\n", "version: 1\naudit: {allow: never}\n", "version: 1\naudit: {file.raed: {}}\n",
		head + "{action: file.read}\n", head + "{decision: deny}\n", head + "{action: file.raed, decision: deny}\n", head + "{action: [], decision: deny}\n",
		head + "{action: file.read, decision: DENY}\n", head + "{action: file.read, path: [/a], decision: deny}\n",
		head + "{action: file.read, path: '', decision: deny}\n", head + "{action: file.read, path: {regex: x}, decision: deny}\n",
		head + "{action: file.read, path: {equals: [/a]}, decision: deny}\n", head + "{action: file.read, path: {in: /a}, decision: deny}\n",
		head + "{action: network.request, host: {contains: x}, decision: deny}\n", head + "{action: network.request, port: 0, decision: deny}\n",
		head + "{action: network.request, port: http, decision: deny}\n", head + "{action: network.request, port: 65536, decision: deny}\n",
		head + "{action: network.request, protocol: icmp, decision: deny}\n", head + "{id: a b, action: file.read, decision: deny}\n",
		head + "{id: 7, action: file.read, decision: deny}\n", head + "{action: file.read, decision: deny, when: now}\n",
	} {
		if parser, schema := judge(t, s, src); parser == nil || schema == nil {
			t.Errorf("parser: %v\nschema: %v\n%s", parser, schema, src)
		}
	}
}

// TestDrift: a field that one side lacks is an error.
func TestDrift(t *testing.T) {
	for name, change := range map[string]func(*policy.Vocabulary){
		"new field":    func(v *policy.Vocabulary) { v.Fields["a rule"] = append(v.Fields["a rule"], "when") },
		"field gone":   func(v *policy.Vocabulary) { v.Fields["dns"] = v.Fields["dns"][1:] },
		"new operator": func(v *policy.Vocabulary) { v.Operators = append(v.Operators, "regex") },
		"words gone":   func(v *policy.Vocabulary) { delete(v.Words, "mode") },
	} {
		g := generator{lang: policy.Language()}
		change(&g.lang)
		if g.document(); g.err == nil || !strings.HasPrefix(g.err.Error(), "make schema: ") {
			t.Errorf("%s: %v", name, g.err)
		}
	}
	a, _ := Generate()
	b, _ := Generate()
	if !bytes.Equal(a, b) {
		t.Error("two runs differ")
	}
}
