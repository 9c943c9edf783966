package outlive

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// counts are what a canary tried and how it went.
type counts struct {
	Denied  int64 `json:"denied"`  // denied acts that were denied
	Leaks   int64 `json:"leaks"`   // ... and that succeeded
	Allowed int64 `json:"allowed"` // legitimate acts that succeeded
	Broken  int64 `json:"broken"`  // ... and that failed
	First   string
}

// canary tries what is denied and what is allowed until the file stop is there.
type canary struct {
	denied, leaks, allowed, broken atomic.Int64
	once                           sync.Once
	first                          string
	stop                           string
}

func (c *canary) say(format string, args ...any) {
	c.once.Do(func() { c.first = fmt.Sprintf(format, args...) })
}

// forbidden is an act that must be denied by the policy.
func (c *canary) forbidden(what string, err error) {
	switch {
	case err == nil:
		c.leaks.Add(1)
		fmt.Println("LEAK") // also of one that is killed
		c.say("%s succeeded", what)
	case errors.Is(err, unix.EACCES):
		c.denied.Add(1)
	default:
		c.broken.Add(1)
		c.say("%s: %v, want permission denied", what, err)
	}
}

// legitimate is an act that must succeed.
func (c *canary) legitimate(what string, err error) {
	if err == nil {
		c.allowed.Add(1)
		return
	}
	c.broken.Add(1)
	c.say("%s: %v", what, err)
}

func open(name string, flags int) error {
	fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// act is the gated program.
func act(args []string) int {
	if args[0] == "exit" {
		return 0
	}
	secret, allowed, out, stop := args[1], args[2], args[3], args[4]
	c := &canary{stop: stop}
	var wg sync.WaitGroup
	for _, f := range []func(){
		func() {
			c.forbidden("open of the secret", open(secret, unix.O_RDONLY))
			time.Sleep(5 * time.Millisecond)
		},
		func() {
			c.forbidden("truncate of the secret", unix.Truncate(secret, 0))
			c.forbidden("link to the secret", unix.Link(secret, out+".link"))
			time.Sleep(20 * time.Millisecond)
		},
		func() {
			for range 50 {
				c.legitimate("open", open(allowed, unix.O_RDONLY))
			}
			time.Sleep(time.Millisecond)
		},
		func() {
			c.legitimate("create", open(out, unix.O_WRONLY|unix.O_CREAT))
			c.legitimate("remove", unix.Unlink(out))
			time.Sleep(5 * time.Millisecond)
		},
		func() {
			c.legitimate("execute", exec.Command("/proc/self/exe", "exit").Run())
			time.Sleep(50 * time.Millisecond)
		},
	} {
		wg.Go(func() {
			for {
				var st unix.Stat_t
				if unix.Stat(c.stop, &st) == nil {
					return
				}
				f()
			}
		})
	}
	wg.Wait()
	b, err := json.Marshal(counts{c.denied.Load(), c.leaks.Load(), c.allowed.Load(), c.broken.Load(), c.first})
	if err != nil {
		return 1
	}
	fmt.Println(string(b))
	return 0
}

func actMain() {
	if len(os.Args) > 3 && os.Args[1] == "agent" {
		os.Exit(otherAgent(os.Args[2], os.Args[3]))
	}
	if len(os.Args) > 1 && (os.Args[1] == "exit" || os.Args[1] == "canary") {
		os.Exit(act(os.Args[1:]))
	}
}
