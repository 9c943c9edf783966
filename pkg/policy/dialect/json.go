package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// maxDepth bounds the nesting of a document; a policy needs 6.
const maxDepth = 32

// readJSON reads a JSON document, with the place of each value, as strictly as
// YAML is read: no key twice, nothing behind the end.
func readJSON(name string, src []byte) (*policy.Node, error) {
	r := jsonReader{src: src, dec: json.NewDecoder(bytes.NewReader(src))}
	r.dec.UseNumber()
	root, err := r.value(0)
	if err == nil {
		if _, more := r.dec.Token(); !errors.Is(more, io.EOF) {
			err = r.failure("something behind the end of the document")
		}
	}
	if err == nil {
		return root, nil
	}
	line, col := r.place(int(r.dec.InputOffset()))
	return nil, policy.ErrorList{{File: name, Line: line, Col: col, Msg: "malformed JSON: " + err.Error()}}
}

type jsonReader struct {
	src []byte
	dec *json.Decoder
}

func (r *jsonReader) failure(format string, args ...any) error { return fmt.Errorf(format, args...) }

// place turns an offset into line and column, after white space and what
// separates values.
func (r *jsonReader) place(off int) (line, col int) {
	for off < len(r.src) && bytes.IndexByte([]byte(" \t\r\n,:"), r.src[off]) >= 0 {
		off++
	}
	before := r.src[:min(off, len(r.src))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

func (r *jsonReader) value(depth int) (*policy.Node, error) {
	if depth > maxDepth {
		return nil, r.failure("nested deeper than %d levels", maxDepth)
	}
	n := &policy.Node{}
	n.Line, n.Col = r.place(int(r.dec.InputOffset()))
	tok, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := tok.(type) {
	case string:
		n.Tag, n.Text = "!!str", v
	case json.Number:
		n.Tag, n.Text = "!!int", v.String()
		if bytes.ContainsAny([]byte(n.Text), ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Text = "!!bool", fmt.Sprint(v)
	case nil:
		n.Tag, n.Text = "!!null", "null"
	case json.Delim:
		if v == '{' {
			n.Kind = policy.Map
		} else {
			n.Kind = policy.List
		}
		err = r.content(n, depth)
	}
	return n, err
}

// content reads what is between the brackets of n, and the closing one.
func (r *jsonReader) content(n *policy.Node, depth int) error {
	for r.dec.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if n.Kind == policy.Map {
			if n.Get(v.Text) != nil {
				return r.failure("duplicate key %q", v.Text)
			}
			n.Keys = append(n.Keys, v)
			if v, err = r.value(depth + 1); err != nil {
				return err
			}
		}
		n.Values = append(n.Values, v)
	}
	_, err := r.dec.Token()
	return err
}
