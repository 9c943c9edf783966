package loader

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// hostFacts tell the kernel side what is the host's own.
type hostFacts struct {
	rootIno uint64
	rootDev uint32 // kernel dev_t: major<<20 | minor
	netns   uint32
}

// readHostFacts reads them from a process that lives in the host's namespaces
// and root: proc is its directory, such as /proc/self or /proc/1.
func readHostFacts(proc string) (hostFacts, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(proc+"/root/.", &st); err != nil {
		return hostFacts{}, fmt.Errorf("stat host root: %w", err)
	}
	// stat's device differs from the super block's on btrfs; mountinfo has the latter.
	f, err := os.Open(proc + "/mountinfo")
	if err != nil {
		return hostFacts{}, fmt.Errorf("read host mounts: %w", err)
	}
	defer f.Close()
	h := hostFacts{rootIno: st.Ino}
	found := false
	for sc := bufio.NewScanner(f); sc.Scan(); {
		// 36 35 98:0 /mnt1 / rw ... : mount id, parent, major:minor, root, mount point (proc(5))
		fields := strings.Fields(sc.Text())
		if len(fields) < 5 || fields[4] != "/" {
			continue
		}
		maj, min, ok := strings.Cut(fields[2], ":")
		major, err1 := strconv.ParseUint(maj, 10, 12)
		minor, err2 := strconv.ParseUint(min, 10, 20)
		if !ok || err1 != nil || err2 != nil {
			return hostFacts{}, fmt.Errorf("parse mountinfo device %q", fields[2])
		}
		h.rootDev, found = uint32(major<<20|minor), true
	}
	if !found {
		return hostFacts{}, fmt.Errorf("find root mount in %s/mountinfo", proc)
	}
	if err := syscall.Stat(proc+"/ns/net", &st); err != nil {
		return hostFacts{}, fmt.Errorf("stat host network namespace: %w", err)
	}
	h.netns = uint32(st.Ino)
	return h, nil
}
