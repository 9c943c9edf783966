package policy

// patternOverhead is what a pattern counts besides its elements.
const patternOverhead = 4

// size returns how much the patterns of a condition expand to, in elements.
func (c *Condition) size() int {
	n := 0
	for i := range c.paths {
		n += c.paths[i].size()
	}
	for i := range c.hosts {
		n += patternOverhead + len(c.hosts[i].text) + componentsSize(c.hosts[i].labels)
	}
	for i := range c.commands {
		n += patternOverhead
		for _, w := range c.commands[i].words {
			n += 1 + len(w.tokens)
			for j := range w.paths {
				n += w.paths[j].size()
			}
		}
	}
	return n
}

func (p *pathPattern) size() int { return patternOverhead + len(p.text) + componentsSize(p.components) }

func componentsSize(components []component) int {
	n := len(components)
	for _, c := range components {
		n += len(c.tokens)
	}
	return n
}
