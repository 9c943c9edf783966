package policy

import (
	"slices"
	"testing"
)

func TestBaselinesParse(t *testing.T) {
	for _, name := range []string{"image", "runtime", "none"} {
		if _, err := baselineRules(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if src, ok := BaselineSource(name); !ok || len(src) == 0 {
			t.Errorf("%s: no source", name)
		}
	}
	if _, ok := BaselineSource("other"); ok {
		t.Error("a baseline called other")
	}
	// A mark has room for one rule with exceptions.
	set, _ := baselineRules("image")
	count := 0
	for _, r := range set.rules {
		if r.except != nil {
			count++
		}
		if r.HasMatcher() == false || r.ID == "" {
			t.Errorf("rule %q of the baseline has no matcher or no id", r.ID)
		}
	}
	if count > 1 {
		t.Errorf("%d rules with exceptions", count)
	}
}

func TestImageBaseline(t *testing.T) {
	const files, denied = "baseline/image-files", "default"
	runChecks(t, "version: 1\n", Options{}, []check{
		{KindRead, root("/app/agent.py"), files, true},
		{KindRead, root("/"), files, true},
		{KindRead, root("/root/x"), files, true},
		{KindRead, root("/etc/shadow"), denied, false},
		{KindRead, root("/etc/shadow-"), denied, false},
		{KindRead, root("/etc/gshadow"), denied, false},
		{KindRead, root("/root/.bash_history"), denied, false},
		{KindRead, root("/home/a/.ssh/config"), denied, false},
		{KindRead, root("/home/a/.aws/credentials"), denied, false},
		{KindRead, root("/home/a/.kube"), denied, false},
		{KindRead, root("/x/.docker/config.json"), denied, false},
		{KindRead, root("/x/.netrc"), denied, false},
		{KindRead, root("/x/.git-credentials"), denied, false},
		{KindRead, root("/app/.env"), denied, false},
		{KindRead, root("/app/.env.local"), denied, false},
		{KindRead, root("/app/tls/key.pem"), denied, false},
		{KindRead, root("/app/id_rsa"), denied, false},
		{KindRead, root("/app/environment"), files, true},
		{KindRead, root("/app/x_id_rsa"), files, true},
		{KindRead, root("/etc/ssl/certs/ca-certificates.crt"), files, true},
		{KindRead, root("/etc/ssl/certs/x.pem"), "baseline/system-files", true},
		{KindRead, root("/usr/share/ca-certificates/x.pem"), "baseline/system-files", true},
		{KindRead, root("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"), "baseline/system-files", true},
		{KindRead, root("/etc/pki/tls/private/server.pem"), denied, false},
		{KindRead, root("/app/venv/lib/python3.11/site-packages/certifi/cacert.pem"), "baseline/bundled-certificates", true},
		{KindRead, root("/root/.ssh/cacert.pem"), "baseline/bundled-certificates", true},
		{KindRead, volume("/app/agent.py"), denied, false},
		{KindRead, volume("/var/run/secrets/kubernetes.io/serviceaccount/token"), denied, false},
		{KindRead, volume("/usr/lib/secret"), denied, false},
		{KindRead, volume("/etc/ssl/certs/x.pem"), denied, false},
		{KindRead, volume("/etc/resolv.conf"), "baseline/etc-network", true},
		{KindRead, volume("/usr/lib/x86_64-linux-gnu/libcuda.so.1"), "baseline/mounted-libraries", true},
		{KindMap, root("/app/node_modules/x/y.node"), "baseline/image-shared-objects", true},
		{KindMap, root("/app/libx.so.1"), "baseline/image-shared-objects", true},
		{KindMap, volume("/app/libx.so.1"), denied, false},
		{KindMap, root("/app/x.py"), denied, false},
		{KindWrite, root("/tmp/x"), denied, false},
		{KindWrite, root("/tmp"), denied, false},
	})
}

func TestRuntimeBaseline(t *testing.T) {
	runChecks(t, "version: 1\nbaseline: runtime\n", Options{}, []check{
		{KindRead, root("/usr/lib/x86_64-linux-gnu/libc.so.6"), "baseline/system-files", true},
		{KindRead, volume("/usr/lib/python3.11/os.py"), "baseline/system-files", true},
		{KindRead, root("/usr/share/zoneinfo/UTC"), "baseline/system-files", true},
		{KindRead, root("/etc/passwd"), "baseline/etc", true},
		{KindRead, root("/etc/shadow"), "default", false},
		{KindRead, root("/etc"), "baseline/directories", true},
		{KindRead, root("/app/agent.py"), "default", false},
		{KindRead, volume("/proc/self"), "baseline/proc-self", true},
		{KindRead, volume("/proc/17/maps"), "baseline/proc-self", true},
		{KindRead, volume("/proc/17/task/18/comm"), "baseline/proc-self", true},
		{KindRead, volume("/proc/17/environ"), "default", false},
		{KindRead, volume("/proc/17/mem"), "default", false},
		{KindRead, volume("/proc/17/task/18/mem"), "default", false},
		{KindRead, volume("/proc/meminfo"), "baseline/proc", true},
		{KindRead, volume("/proc/kcore"), "default", false},
		{KindRead, volume("/proc/sys/vm/overcommit_memory"), "baseline/proc", true},
		{KindWrite, volume("/proc/sys/vm/overcommit_memory"), "default", false},
		{KindRead, volume("/proc/sys/fs/binfmt_misc/register"), "default", false},
		{KindRead, volume("/sys/fs/cgroup/cpu.max"), "baseline/sys", true},
		{KindWrite, volume("/sys/fs/cgroup/cgroup.procs"), "default", false},
		{KindRead, volume("/proc/cgroups"), "baseline/proc", true},
		{KindWrite, volume("/proc/17/task/18/comm"), "baseline/proc-self-names", true},
		{KindWrite, volume("/proc/17/coredump_filter"), "baseline/proc-self-names", true},
		{KindWrite, volume("/proc/17/oom_score_adj"), "default", false},
		{KindWrite, root("/tmp/hsperfdata_app"), "baseline/java-counters", true},
		{KindRead, root("/tmp/hsperfdata_app"), "baseline/java-counters", true},
		{KindWrite, root("/tmp/hsperfdata_app/16"), "baseline/java-counters", true},
		{KindWrite, root("/tmp/hsperfdata_app/x"), "default", false},
		{KindWrite, root("/tmp/hsperfdata_app/16/x"), "default", false},
		{KindMap, root("/tmp/hsperfdata_app/16"), "default", false},
		{KindExec, root("/tmp/hsperfdata_app/16"), "default", false},
		{KindWrite, volume("/dev/null"), "baseline/dev", true},
		{KindWrite, root("/dev/null"), "baseline/dev", true},
		{KindWrite, volume("/dev/pts/0"), "baseline/dev", true},
		{KindWrite, volume("/dev/sda"), "default", false},
		{KindWrite, volume("/dev/shm/sem.x"), "baseline/shared-memory", true},
		{KindRead, volume("/dev/shm"), "baseline/dev-directories", true},
		{KindMap, root("/lib/ld-musl-x86_64.so.1"), "baseline/shared-objects", true},
	})
}

func TestDefaultAllowIsNotNarrowedByTheBaseline(t *testing.T) {
	runChecks(t, "version: 1\ndefaultAction: allow\n", Options{}, []check{
		{KindRead, root("/etc/shadow"), "default", true},
		{KindRead, volume("/x"), "default", true},
	})
}

func TestSensitiveNames(t *testing.T) {
	if names := SensitiveNames(); !slices.Contains(names, "/etc/shadow*") || !slices.Contains(names, "**/.ssh/**") {
		t.Errorf("got %q", names)
	}
}
