package policy

import "slices"

// MaxManifestBytes bounds a file of manifests.
const MaxManifestBytes = 4 << 20

// Document is one document of a file: a policy, or something that is none.
type Document struct {
	Name   string  // "namespace/name" of a ConfigMap, "" for a policy that stands alone
	Line   int     // where it begins in the file
	Policy *Policy // nil after an error, and for what is no policy
	Err    error   // an ErrorList: everything that is wrong with a policy
	Other  string  // what is no policy, such as "Deployment ai-agents/web", or "" for a policy
}

// ParseAll finds the policies in a file of Kubernetes manifests: one for each
// ConfigMap that has a value under ManifestKey, also in a List. A policy that
// stands alone is exactly one document, as for Parse. The error, an ErrorList,
// says why the file could not be read to its end.
func ParseAll(name string, src []byte, opts ...Option) ([]Document, error) {
	if len(src) > MaxManifestBytes {
		return nil, ErrorList{{File: name, Line: 1, Col: 1, Msg: "too large for a file of manifests"}}
	}
	docs, broken := decodeYAMLStream(src)
	for _, e := range broken {
		e.File = name
	}
	var out []Document
	for _, d := range docs {
		for _, item := range listedItems(d.root) {
			out = append(out, oneDocument(name, src, item, d, len(docs), opts))
		}
	}
	if len(broken) > 0 {
		return out, broken
	}
	return out, nil
}

// listedItems takes a List apart.
func listedItems(root *ynode) []*ynode {
	kind, items := root.get("kind"), root.get("items")
	if kind != nil && items != nil && items.kind == ySeq && (kind.text == "List" || kind.text == "ConfigMapList") {
		return items.vals
	}
	return []*ynode{root}
}

func oneDocument(file string, src []byte, root *ynode, d yamlDocument, docs int, opts []Option) Document {
	out := Document{Name: manifestName(root), Line: root.line}
	alone := looksLikePolicy(root)
	switch {
	case !alone && !(isConfigMap(root) && root.get("data").get(ManifestKey) != nil):
		out.Other = describeManifest(root)
		return out
	case alone && docs == 1:
		out.Policy, out.Err = Parse(file, src, opts...)
		return out
	}
	p := newParser(file, opts)
	p.errs = slices.Clone(d.errs)
	for _, e := range p.errs {
		e.File = file
	}
	if alone {
		p.fail(root, "a policy among other documents; a policy is exactly one", "give it a file of its own, or put it in a ConfigMap")
	} else {
		out.Policy = p.root(src, root)
	}
	if len(p.errs) > 0 {
		p.errs.sort()
		out.Policy, out.Err = nil, p.errs
		return out
	}
	out.Policy.Name = file
	return out
}

// looksLikePolicy reports whether a document that may be anything is meant as a
// policy: it is no manifest, and has a field that only policies have, or a
// version and something near such a field.
func looksLikePolicy(root *ynode) bool {
	if root.get("kind") != nil || root.get("apiVersion") != nil || root.get("cases") != nil {
		return false
	}
	near := 0
	if root.get("version") != nil {
		if len(root.keys) == 1 {
			return true
		}
		near = 2
	}
	return slices.ContainsFunc(root.keys, func(key *ynode) bool {
		return slices.ContainsFunc([]string{"rules", "defaultAction", "baseline", "entrypoint", "onAuditLoss", "onAgentLoss"},
			func(field string) bool { return editDistance(key.text, field) <= near })
	})
}

func manifestName(root *ynode) string {
	meta := root.get("metadata")
	name, namespace := meta.get("name"), meta.get("namespace")
	switch {
	case name == nil:
		return ""
	case namespace == nil:
		return name.text
	}
	return namespace.text + "/" + name.text
}

func describeManifest(root *ynode) string {
	kind := root.get("kind")
	switch {
	case root.get("cases") != nil && kind == nil:
		return "test cases of a policy"
	case kind == nil:
		return "no policy and no manifest"
	}
	text := kind.text
	if name := manifestName(root); name != "" {
		text += " " + name
	}
	if isConfigMap(root) {
		text += " without " + ManifestKey
	}
	return text
}
