package policy

import "fmt"

// pending refuses what the tables cannot express yet.
func pending(policies ...*Policy) error {
	for _, p := range policies {
		if p == nil {
			continue
		}
		not := func(what string) error {
			return fmt.Errorf("compile policy: %s is part of the language but is not enforced by this version", what)
		}
		switch {
		case len(p.Builtin) > 0:
			return not("builtin")
		case len(p.DNS.Types) > 0 || p.DNS.TCP || p.DNS.MaxLabel+uint8(min(p.DNS.Rate, 1)) > 0:
			return not("dns")
		case p.Connections == "cut":
			return not("connections: cut")
		}
		for i := range p.Rules {
			switch {
			case p.Rules[i].Exe != nil:
				return not("exe")
			case p.Rules[i].Command != nil:
				return not("command")
			}
		}
	}
	return nil
}
