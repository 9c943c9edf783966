// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"testing"
)

func TestTreeMatchesRFC6962Vectors(t *testing.T) {
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var tr tree
	for i, want := range roots {
		if got := tr.root().String(); got != want {
			t.Errorf("root of %d leaves is %s, want %s", i, got, want)
		}
		if i < len(leaves) {
			b, err := hex.DecodeString(leaves[i])
			check(t, err)
			tr.add(LeafHash(b))
		}
	}
}

// definition is the Merkle tree hash as RFC 6962 section 2.1 words it.
func definition(leaves []Hash) Hash {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	default:
		k := 1
		for k*2 < n {
			k *= 2
		}
		l, r := definition(leaves[:k]), definition(leaves[k:])
		return nodeHash(&l, &r)
	}
}

func TestTreeMatchesDefinition(t *testing.T) {
	var tr tree
	var leaves []Hash
	for i := range 200 {
		h := LeafHash([]byte{byte(i)})
		leaves = append(leaves, h)
		tr.add(h)
		if tr.root() != definition(leaves) {
			t.Fatalf("root of %d leaves differs from the definition", i+1)
		}
	}
}

// Section 2 of the format: a link can be checked with a shell.
func TestChainCanBeCheckedWithAShell(t *testing.T) {
	files, segment := sampleLog(t, 5, 2)
	origin := sha256.Sum256(files[originName])
	want := hex.EncodeToString(origin[:])
	for line := range bytes.Lines(files[segment]) {
		line = bytes.TrimSuffix(line, []byte{'\n'})
		var r struct{ Prev string }
		check(t, json.Unmarshal(line, &r))
		if r.Prev != want {
			t.Fatalf("prev is %s, want %s in %s", r.Prev, want, line)
		}
		cmd := exec.Command("sh", "-c", `printf '\000%s' "$1" | sha256sum`, "sh", string(line))
		out, err := cmd.Output()
		if err != nil {
			t.Skipf("no shell with sha256sum: %v", err)
		}
		want = string(out[:64])
	}
}
