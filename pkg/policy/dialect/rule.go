package dialect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// draft is a rule while it is read.
type draft struct {
	src       *policy.Node
	id        string
	actions   []string
	decision  string
	audited   bool
	reasons   []string
	subjects  []subject
	fields    []entry // as they are: port, protocol, cidr
	condition *policy.Node
	expired   bool
	foreign   bool // its action or decision is spelled as another dialect does
}

// subject is a field that says what a rule is about.
type subject struct {
	key     *policy.Node
	field   string // canonical, or anything
	foreign bool   // spelled as another dialect does
	val     *policy.Node
}

// oneRule imports a rule of the source.
func (im *importer) oneRule(src *policy.Node) {
	notes := len(im.notes)
	rules, err := im.translate(src)
	var r *refusalError
	if errors.As(err, &r) {
		im.notes = im.notes[:notes]
		im.refuse(r.at, r.text, r.hint)
		im.rules = append(im.rules, outRule{src: src, name: im.rule, comment: r.text})
		return
	}
	for _, fields := range rules {
		im.rules = append(im.rules, outRule{src: src, name: im.rule, fields: fields})
	}
}

func (im *importer) translate(src *policy.Node) ([][]entry, error) {
	if src.Kind != policy.Map {
		return nil, refusal(src, "a rule is a map, not "+src.Describe(), "")
	}
	d := draft{src: src}
	if err := im.read(&d, src, ""); err != nil {
		return nil, err
	}
	if d.expired {
		im.note(src, "the rule has expired and is left out")
		return nil, nil
	}
	if d.decision == "" {
		return nil, refusal(src, "a rule without decision", "write decision: allow, deny or audit")
	}
	if d.condition == nil {
		if d.foreign && d.decision == "deny" { // command and host are words of both languages: a denial gets the wider meaning
			for i, s := range d.subjects {
				d.subjects[i].foreign = s.foreign || s.field == "command" || s.field == "host"
			}
		}
		fields, err := im.build(&d, d.actions, d.subjects, 0)
		return [][]entry{fields}, err
	}
	if len(d.actions)+len(d.subjects) > 0 {
		return nil, refusal(src, "a rule with a condition and with fields of its own", "write one or the other")
	}
	return im.conditions(&d)
}

// read takes the fields of a rule, or of the map in it that is named within,
// into the draft.
func (im *importer) read(d *draft, n *policy.Node, within string) error {
	for i, key := range n.Keys {
		val := n.Values[i]
		var err error
		switch key.Text {
		case "id", "name":
			im.identify(d, key, val)
		case "action":
			before := len(im.notes)
			d.actions, err = im.actions(val)
			d.foreign = d.foreign || len(im.notes) > before
		case "decision", "effect":
			before := len(im.notes)
			err = im.decide(d, key, val)
			d.foreign = d.foreign || len(im.notes) > before
		case "reason", "message", "description":
			im.explain(d, key, val)
		case "audit":
			d.audited = val.Text == "true"
			im.note(key, "audit: "+val.Text+" on a rule is part of its decision")
		case "match", "conditions":
			if val.Kind != policy.Map {
				return refusal(val, key.Text+" must be a map, not "+val.Describe(), "")
			}
			err = im.read(d, val, key.Text+".")
		case "condition":
			d.condition = val
		case "expiresAt":
			d.expired, err = im.expires(val)
		case "schedule":
			if val.Tag != "!!null" {
				return refusal(key, "a schedule: what the kernel enforces holds at all hours", "swap policies by the clock, or leave the schedule out")
			}
		case "port", "protocol", "cidr":
			d.fields = append(d.fields, entry{key.Text, val})
			if within != "" {
				im.note(key, within+key.Text+" is written "+key.Text)
			}
		default:
			field, ok := canonical(subjects, key.Text)
			if !ok || key.Text == anything {
				return refusal(key, "unknown field "+label(key)+" in a rule", "nothing is left out unseen: write it in the canonical language, or remove it")
			}
			at := *key
			at.Text = within + key.Text
			d.subjects = append(d.subjects, subject{&at, field, field != at.Text, val})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) identify(d *draft, key, val *policy.Node) {
	id := strings.Join(strings.Fields(val.Text), "-")
	if d.id != "" || key.Text == "name" && d.src.Get("id") != nil {
		im.note(key, "name is left out: the rule has an id")
		return
	}
	d.id = id
	if key.Text != "id" || id != val.Text || !isText(val) {
		im.note(key, fmt.Sprintf("%s: %s is written id: %s", key.Text, val.Text, id))
	}
}

func (im *importer) explain(d *draft, key, val *policy.Node) {
	if val.Tag == "!!null" || val.Text == "" && key.Text != "reason" {
		im.note(key, "an empty "+key.Text+" is left out")
		return
	}
	d.reasons = append(d.reasons, val.Text)
	if key.Text != "reason" || len(d.reasons) > 1 {
		im.note(key, key.Text+" is written reason")
	}
}

func (im *importer) actions(n *policy.Node) ([]string, error) {
	items := []*policy.Node{n}
	if n.Kind == policy.List {
		items = n.Values
	}
	var out []string
	for _, item := range items {
		word, ok := canonical(actions, item.Text)
		switch {
		case item.Kind == policy.Scalar && item.Text == "*":
			im.note(item, "action: * is written as a list of all actions")
			out = append(out, allActions...)
			continue
		case !ok || item.Kind != policy.Scalar:
			return nil, refusal(item, fmt.Sprintf("the kernel has no action %s", item.Describe()), "known are "+spellings(actions))
		case word != item.Text:
			im.note(item, fmt.Sprintf("action: %s is written %s", item.Text, word))
		}
		out = append(out, word)
	}
	if len(out) == 0 {
		return nil, refusal(n, "an empty list of actions", "")
	}
	return out, nil
}

func (im *importer) decide(d *draft, key, val *policy.Node) error {
	word, ok := canonical(effects, val.Text)
	if !ok || !isText(val) {
		return refusal(val, fmt.Sprintf("unknown decision %s", val.Describe()), "known are "+spellings(effects))
	}
	if d.decision != "" {
		return refusal(key, "the decision is given twice", "")
	}
	d.decision = word
	if word == approval {
		d.decision = "deny"
		im.note(val, fmt.Sprintf("%s waits for a person, which a kernel cannot: imported as decision: deny", val.Text))
		if d.src.Get("reason") == nil && d.src.Get("message") == nil && d.src.Get("description") == nil {
			d.reasons = append(d.reasons, "needs approval ("+val.Text+")")
		}
	} else if key.Text != "decision" || word != val.Text {
		im.note(key, fmt.Sprintf("%s: %s is written decision: %s", key.Text, val.Text, word))
	}
	return nil
}

// expires reports whether a rule is over. One that will be cannot be imported:
// the kernel would enforce it for ever.
func (im *importer) expires(n *policy.Node) (bool, error) {
	if n.Tag == "!!null" {
		return false, nil
	}
	at, err := time.Parse(time.RFC3339, n.Text)
	if err != nil {
		if at, err = time.Parse(time.DateOnly, n.Text); err != nil {
			return false, refusal(n, fmt.Sprintf("%s is no date", n.Describe()), "write it as 2026-01-31T00:00:00Z")
		}
	}
	if im.now.Before(at) {
		return false, refusal(n, "the rule expires on "+n.Text+"; what the kernel enforces does not expire", "take the rule out on that day, and leave expiresAt out here")
	}
	return true, nil
}

// build writes a rule. Of a rule that became several, number tells them apart.
func (im *importer) build(d *draft, actions []string, about []subject, number int) ([]entry, error) {
	if len(actions) == 0 {
		return nil, refusal(d.src, "a rule without action", "name what it is about, such as action: file.read")
	}
	var out []entry
	if d.id != "" {
		id := d.id
		for n := number; im.ids[id] && number > 0; n++ {
			id = fmt.Sprintf("%s-%d", d.id, n+1)
		}
		im.ids[id] = true
		out = append(out, entry{"id", text(id)})
	}
	decision := d.decision
	if d.audited && decision == "allow" {
		decision = "audit"
	}
	w := writer{im: im, denies: decision == "deny", actions: slices.Clone(actions), fields: d.fields}
	matchers, err := w.matchers(about)
	if err != nil {
		return nil, err
	}
	if len(w.actions) == 1 {
		out = append(out, entry{"action", text(w.actions[0])})
	} else {
		out = append(out, entry{"action", listOf(w.actions)})
	}
	out = append(append(out, matchers...), w.fields...)
	out = append(out, entry{"decision", text(decision)})
	if len(d.reasons) > 0 {
		out = append(out, entry{"reason", text(strings.Join(d.reasons, "; "))})
	}
	return out, nil
}
