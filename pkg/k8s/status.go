package k8s

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Status is what a node says of itself: the object NodeEnforcement of its name.
// deploy/daemonset/base/crd.yaml has its schema.
type Status struct {
	Agent   string `json:"agent"` // version
	Kernel  string `json:"kernel"`
	Updated string `json:"updated"` // RFC 3339
	// Enforcing says that the kernel denies what policies deny.
	Enforcing bool `json:"enforcing"`
	// Why not, or what is wrong though it does.
	Problems []string   `json:"problems,omitempty"`
	Pods     PodCounts  `json:"pods"`
	Policies []InForce  `json:"policies,omitempty"`
	Logs     []LogState `json:"logs,omitempty"`
}

// PodCounts counts the node's pods.
type PodCounts struct {
	Gated    int `json:"gated"`    // all of them
	Denied   int `json:"denied"`   // ... for want of a good policy
	Degraded int `json:"degraded"` // ... by an older version of their policy
	Pending  int `json:"pending"`  // not known yet
}

// InForce is a policy that gates pods of the node.
type InForce struct {
	Policy string `json:"policy"` // namespace/name
	Source string `json:"source"` // hash of its text
	Table  string `json:"table"`  // hash of what the kernel reads
	Pods   int    `json:"pods"`
}

// LogState is how far one of the node's audit logs has come. In the API a log's
// size only grows, and no log goes: whoever rewrites the node's log later
// contradicts it.
type LogState struct {
	Log        string `json:"log"` // the checkpoint's origin
	Size       int64  `json:"size"`
	Root       string `json:"root"`       // base64
	Checkpoint string `json:"checkpoint"` // the signed note
}

var statusResource = schema.GroupVersionResource{Group: "safeclaw.dev", Version: "v1alpha1", Resource: "nodeenforcements"}

// Report writes the node's status. Logs that the object has and the status does
// not name stay in it.
func (c *Client) Report(ctx context.Context, node string, s Status) error {
	n, err := c.Core.Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("report status: %w", err)
	}
	old, err := c.status(ctx, node)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("report status: %w", err)
	}
	s.Logs = joinLogs(old.Logs, s.Logs)
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("report status: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		return fmt.Errorf("report status: %w", err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"status": fields}}
	o.SetAPIVersion(statusResource.GroupVersion().String())
	o.SetKind("NodeEnforcement")
	o.SetName(node)
	// It goes with the node's object.
	o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node, UID: n.UID}})
	if _, err := c.Dynamic.Resource(statusResource).Apply(ctx, node, o, metav1.ApplyOptions{FieldManager: Component, Force: true}); err != nil {
		return fmt.Errorf("report status: %w", err)
	}
	return nil
}

// status reads the node's own.
func (c *Client) status(ctx context.Context, node string) (Status, error) {
	var s Status
	o, err := c.Dynamic.Resource(statusResource).Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return s, err
	}
	b, err := json.Marshal(o.Object["status"])
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

// joinLogs puts new states of logs in the place of older ones.
func joinLogs(old, now []LogState) []LogState {
	out := make([]LogState, 0, len(old)+len(now))
	at := map[string]int{}
	for _, l := range append(append([]LogState{}, old...), now...) {
		if i, ok := at[l.Log]; ok {
			out[i] = l
			continue
		}
		at[l.Log] = len(out)
		out = append(out, l)
	}
	return out
}

// Label says on the node's object whether its kernel enforces, for pods that
// must run where one does.
func (c *Client) Label(ctx context.Context, node string, enforcing bool) error {
	var value any
	if enforcing {
		value = "true"
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{EnforcingLabel: value}}})
	if err != nil {
		return err
	}
	if _, err := c.Core.Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Component}); err != nil {
		return fmt.Errorf("label the node: %w", err)
	}
	return nil
}

// Count adds up what is wanted of a node's pods, and the policies in force.
func (d *Desired) Count() (PodCounts, []InForce) {
	var n PodCounts
	var list []InForce
	at := map[Hash]int{}
	for _, p := range d.Pods {
		if p.Pending || p.Gate != nil && p.Gate.Pending {
			n.Pending++
		}
		if p.Gate == nil {
			continue
		}
		n.Gated++
		all := []Enforced{p.Gate.Enforced}
		for _, e := range p.Gate.Containers {
			all = append(all, e)
		}
		denied, degraded := false, false
		seen := map[Hash]bool{}
		for _, e := range all {
			denied = denied || e.Denied != ""
			degraded = degraded || e.Degraded != ""
			if e.Source == nil || seen[Hash(e.Tables.Hash)] {
				continue
			}
			key := Hash(e.Tables.Hash)
			seen[key] = true
			i, ok := at[key]
			if !ok {
				i = len(list)
				at[key] = i
				list = append(list, InForce{Policy: e.Policy.String(), Source: e.Source.Hash.String(), Table: key.String()})
			}
			list[i].Pods++
		}
		if denied {
			n.Denied++
		}
		if degraded {
			n.Degraded++
		}
	}
	slices.SortFunc(list, func(a, b InForce) int { return strings.Compare(a.Policy+a.Table, b.Policy+b.Table) })
	return n, list
}
