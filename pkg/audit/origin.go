// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"fmt"
	"strings"
)

// originMagic is the first line of an origin file.
const originMagic = "safeclaw audit log v1"

// originText is the birth note of a log: the text whose hash is the prev of
// record 0. It is one name a line, so that it can become the text of a signed
// note.
func originText(origin string, node Node, born string) []byte {
	return fmt.Appendf(nil, "%s\n%s\nnode %q\nborn %s\n", originMagic, origin, node.Name, born)
}

func parseOrigin(text []byte) (string, error) {
	lines := strings.Split(string(text), "\n")
	if len(lines) < 3 || lines[0] != originMagic || lines[1] == "" {
		return "", errors.New("origin file does not begin as an origin file does")
	}
	return lines[1], nil
}

// originOf builds "<cluster>/<node uid>/<incarnation>". Cluster and UID are
// identifiers; what could end a line or a part is refused.
func originOf(cluster, uid, incarnation string) (string, error) {
	for _, s := range []string{cluster, uid} {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
			return "", fmt.Errorf("%q cannot be part of an audit log's origin: want printable ASCII without spaces and slashes", s)
		}
	}
	return cluster + "/" + uid + "/" + incarnation, nil
}
