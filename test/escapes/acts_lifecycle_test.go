package escapes

// lifecycleActs are about what an administrator does while a gated process tries
// its luck: nothing of it is an act of the process alone, so each is shown where
// the gate is loaded and changed.
var lifecycleActs = []escape{
	{id: "E7a", technique: "act unseen under a policy that observes", test: "test/cli TestObserve"},
	{id: "E7b", technique: "act so often that observed denials are merged", test: "pkg/loader TestObserved"},
	{id: "U1", technique: "act in the gap of a policy's update", test: "pkg/loader TestReplaceAtomic"},
	{id: "U2a", technique: "a policy that does not load over a good one", test: "pkg/loader TestRefusedPolicyStays"},
	{id: "U2b", technique: "a policy that does not parse", test: "test/cli TestPolicyError"},
	{id: "U3a", technique: "act while the agent is dead", test: "pkg/loader TestPinned"},
	{id: "U3b", technique: "act while the agent is killed again and again", test: "test/outlive TestKilledAgents"},
	{id: "U3c", technique: "act while an agent is killed in an upgrade", test: "pkg/loader TestUpgradeCanary"},
	{id: "U4", technique: "a policy asks for what is only observed", test: "pkg/loader TestRefusesWhatIsNotEnforced"},
	{id: "U5a", technique: "a kernel without a hook", test: "pkg/loader TestMissingHook"},
	{id: "U5b", technique: "a program that was not loaded", test: "pkg/loader TestMissingProgram"},
	{id: "U6", technique: "a node without BPF LSM", reason: "Nothing runs there: `test/vm/nolsm` boots such a node."},
	{id: "U7", technique: "more rules than the tables hold", test: "pkg/policy TestTooLargeNamesTheRules"},
	{id: "U8a", technique: "a rule with a misspelt field or operator", test: "pkg/policy TestParseErrors"},
	{id: "U8b", technique: "a rule that can never match", test: "pkg/policy/lint TestFindings"},
	{id: "U9", technique: "edit a node's labels", reason: "there are no nodes and no selectors in this version; a policy is named by who runs the program"},
	{id: "U10", technique: "a policy that ends the agent", test: "pkg/policy FuzzParse"},
	{id: "U11", technique: "be killed only after the act", test: "pkg/loader TestCommand"},
	{id: "U12", technique: "a kernel without error injection", reason: "Nothing uses it: only LSM hooks deny."},
	{id: "U13", technique: "a kernel that lacks a feature", test: "pkg/loader TestChooseObject"},
	{id: "U14", technique: "act in the gap of an upgrade of the programs", test: "pkg/loader TestUpgradeCanary"},
	{id: "U15", technique: "rely on a policy's update too early", test: "pkg/loader TestReplaceAtomic"},
	{id: "U16", technique: "start before the agent after a reboot", reason: "there are no pods in this version: a run begins with its agent, and ends with the boot"},

	{id: "A5", technique: "talk to the agent's control port", reason: "there is none: commands act on pins and state directory, as root on the node (A1)"},
	{id: "A6", technique: "abuse what the agent mounts", reason: "it mounts nothing and talks to no runtime"},
	{id: "A7", technique: "grow the agent's memory", test: "pkg/agent TestRecorderNamesAreBounded"},
	{id: "A8a", technique: "overwrite the gate's scratch memory", test: "test/adversary TestScratch"},
	{id: "A8b", technique: "use up the gate's scratch memory", test: "pkg/loader TestScratchReleased"},
	{id: "A9", technique: "wait for the garbage collector", test: "pkg/loader TestPinned"},
	{id: "A10", technique: "bpf is in the list of modules, and no program loads", test: "pkg/loader TestLoadError"},
	{id: "A11", technique: "a kernel locked down for confidentiality", reason: "The programs need the kernel's memory, so they do not load there, and nothing runs."},
	{id: "A12", technique: "a verifier that refuses a program", test: "pkg/loader TestLoadError"},
	{id: "A13", technique: "crowd a hook", test: "pkg/loader TestCrowdedHook"},
	{id: "A14", technique: "overrule by order", reason: "The first denial ends a hook's chain, whoever made it, and no program of ours reads a verdict of an earlier one."},
}
