package policygen

import "net/netip"

func (g *Generator) hostOp() (string, string) {
	host := quoted(g.host)
	switch g.IntN(5) {
	case 0:
		return "equals", host()
	case 1:
		return "in", g.list(func() string { return pick(g, host(), host(), host(), "'"+g.addr().String()+"'") })
	case 2:
		return "endsWith", "'" + pick(g, ".", "") + g.host() + "'"
	case 3:
		return "endsWith", g.list(func() string { return "'." + g.host() + "'" })
	}
	return "glob", "'" + pick(g, "*.", "a*.", "?.", "*.*.", "{a,b*}.", "[a-c].", "") + g.host() + "'"
}

func (g *Generator) host() string {
	h := pick(g, "a", "a", "b", "com", "A-b")
	for range pick(g, 0, 0, 1, 2) {
		h += "." + pick(g, "a", "com", "com", "aB")
	}
	return h
}

func (g *Generator) addr() netip.Addr {
	return netip.MustParseAddr(pick(g, "10.0.0.1", "10.0.1.2", "10.200.3.4", "127.0.0.1", "127.9.9.9", "0.0.0.0", "::", "::1",
		"169.254.169.254", "168.63.129.16", "169.254.169.253", "fd00:ec2::254", "fd00:ec2::255", "2001:db8::1", "8.8.8.8", "::ffff:1:2", "::fffe:1:2"))
}

func (g *Generator) cidr() string {
	a := g.addr()
	p := netip.PrefixFrom(a, g.IntN(a.BitLen()+1)).Masked()
	return "'" + p.String() + "'"
}
