package escapes

// scopeActs are the rows of scope, cgroups, namespaces and start-up.
var scopeActs = []escape{
	{id: "S4", technique: "move to a child cgroup", test: "pkg/loader TestBindInherit"},
	{id: "S5", technique: "leave the cgroup", test: "pkg/loader TestSticky"},
	{id: "S13", technique: "be already running when the policy comes", test: "pkg/loader TestArmExisting"},
}
