package network

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/nameserver"
)

// disk is where the guest finds the disk's container root.
const disk = "/demo-root/root"

// Addresses of the network.
const (
	podAddress, podGateway   = "10.244.1.5", "10.244.1.1"
	podAddress6, podGateway6 = "fd00:244::5", "fd00:244::1"

	serviceDNS   = "10.96.0.10"    // what the pod's resolv.conf names; rewritten to dnsmasq's
	serviceDNS6  = "fd00:96::10"   // unbound's
	balancedDNS  = "10.96.0.12"    // a program on the pod's cgroup rewrites it to dnsmasq's
	endpointDNS  = "10.244.0.10"   // dnsmasq
	scriptedDNS  = "10.244.0.11"   // a trusted one whose answers tests choose
	foreignDNS   = "198.51.100.53" // nobody's resolver: an attacker's
	openAIAddr   = "203.0.113.10"
	openAIAddr6  = "fd00:db8::10"
	anthropic    = "203.0.113.20"
	internalAddr = "10.96.7.7"
	elsewhere    = "203.0.113.99"     // serves, and has no allowed name
	deadAddr6    = "fd00:db8:dead::1" // no route leads there
)

// addresses are the node's.
var addresses = []string{endpointDNS, scriptedDNS, foreignDNS, openAIAddr, anthropic, internalAddr, elsewhere, serviceDNS6, openAIAddr6}

// resolvConf is what the kubelet writes for a pod: three search domains of the
// cluster and the node's own.
const resolvConf = "search default.svc.cluster.local svc.cluster.local cluster.local node.example\nnameserver " + serviceDNS + "\noptions ndots:5\n"

// dnsmasqConf is of a resolver that knows all there is.
const dnsmasqConf = `
no-resolv
no-hosts
keep-in-foreground
user=root
bind-interfaces
listen-address=` + endpointDNS + `
address=/#/
host-record=api.openai.com,` + openAIAddr + `,` + openAIAddr6 + `
cname=api.anthropic.com,edge.anthropic.example
host-record=edge.anthropic.example,` + anthropic + `
host-record=x.internal.svc.cluster.local,` + internalAddr + `
host-record=evil.example,` + elsewhere + `
max-ttl=60
local-ttl=60
`

// unboundConf is of the other one, which is asked over IPv6.
const unboundConf = `server:
  interface: ` + serviceDNS6 + `
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: "/run/unbound.pid"
  use-syslog: no
  num-threads: 1
  access-control: ::/0 allow
  module-config: "iterator"
  local-zone: "." static
  local-data: "api.openai.com. 60 IN A ` + openAIAddr + `"
  local-data: "api.openai.com. 60 IN AAAA ` + deadAddr6 + `"
  local-data: "evil.example. 60 IN A ` + elsewhere + `"
remote-control:
  control-enable: no
`

// rewriting is how kube-proxy has a Service's address lead to a pod.
const rewriting = `table ip nat {
  chain prerouting {
    type nat hook prerouting priority dstnat;
    ip daddr ` + serviceDNS + ` udp dport 53 dnat to ` + endpointDNS + `
    ip daddr ` + serviceDNS + ` tcp dport 53 dnat to ` + endpointDNS + `
  }
}
`

// world is the node's side: its network namespace is the guest's first.
type world struct {
	servers []*exec.Cmd
	script  nameserver.Server
}

func newNetwork() *syscall.SysProcAttr { return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET} }

// newWorld gives the node its addresses.
func newWorld() (*world, error) {
	for _, d := range []string{"/proc", "/dev"} {
		if err := unix.Mount(d, disk+d, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return nil, fmt.Errorf("mount %s: %w", d, err)
		}
	}
	steps := []string{"ip link add node0 type dummy", "ip link set node0 up"}
	for _, a := range addresses {
		steps = append(steps, "ip addr add "+a+" dev node0"+nodad(a))
	}
	if err := all(steps); err != nil {
		return nil, err
	}
	nft := command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(rewriting)
	if out, err := nft.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("nft: %w: %s", err, out)
	}
	return &world{}, nil
}

func nodad(address string) string {
	if strings.Contains(address, ":") {
		return " nodad"
	}
	return ""
}

// command is one of the disk's programs, in the node's network namespace.
func command(argv ...string) *exec.Cmd {
	for _, dir := range []string{"/usr/sbin/", "/usr/bin/"} {
		if _, err := os.Stat(disk + dir + argv[0]); err == nil {
			cmd := exec.Command(dir+argv[0], argv[1:]...)
			cmd.Err = nil // it is looked for below the root
			cmd.Env, cmd.Dir = []string{"PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8"}, "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: disk, Pdeathsig: syscall.SIGKILL}
			return cmd
		}
	}
	return exec.Command(argv[0])
}

func all(steps []string) error {
	for _, s := range steps {
		if out, err := command(strings.Fields(s)...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", s, err, out)
		}
	}
	return nil
}

// connect joins the pod's network namespace, that of the process, to the node.
func (w *world) connect(pid int) error {
	return all([]string{
		"ip link add pod0 type veth peer name eth0 netns " + fmt.Sprint(pid),
		"ip addr add " + podGateway + "/24 dev pod0", "ip addr add " + podGateway6 + "/64 dev pod0 nodad", "ip link set pod0 up",
		fmt.Sprintf("nsenter -t %d -n ip link set lo up", pid),
		fmt.Sprintf("nsenter -t %d -n ip addr add %s/24 dev eth0", pid, podAddress),
		fmt.Sprintf("nsenter -t %d -n ip addr add %s/64 dev eth0 nodad", pid, podAddress6),
		fmt.Sprintf("nsenter -t %d -n ip link set eth0 up", pid),
		fmt.Sprintf("nsenter -t %d -n ip route add default via %s", pid, podGateway),
		fmt.Sprintf("nsenter -t %d -n ip route add default via %s", pid, podGateway6),
		"ip route add unreachable " + deadAddr6 + "/128",
	})
}

// serve starts the servers and waits until each listens.
func (w *world) serve() error {
	for name, text := range map[string]string{"dnsmasq": dnsmasqConf, "unbound": unboundConf} {
		if err := os.WriteFile(disk+"/run/"+name+".conf", []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, argv := range [][]string{
		{"dnsmasq", "--conf-file=/run/dnsmasq.conf", "--pid-file=/run/dnsmasq.pid"}, {"unbound", "-c", "/run/unbound.conf"}, {"nginx"},
	} {
		cmd := command(argv...)
		log, err := os.Create("/tmp/" + argv[0] + ".log")
		if err != nil {
			return err
		}
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("%s: %w", argv[0], err)
		}
		w.servers = append(w.servers, cmd)
	}
	w.script.Answers = map[string][]string{
		"":         {elsewhere},
		"loopback": {"127.0.0.1", "::1"}, "node": {podGateway, podGateway6}, "metadata": {"169.254.169.254"},
	}
	if err := w.script.Start(scriptedDNS, foreignDNS); err != nil {
		return err
	}
	for _, port := range []string{"udp " + endpointDNS + ":53", "udp " + serviceDNS6 + ":53", "tcp 0.0.0.0:443"} {
		if err := w.listening(port); err != nil {
			return err
		}
	}
	return nil
}

// listening waits for a socket as ss shows it.
func (w *world) listening(port string) error {
	for range 600 {
		out, err := command("ss", "-lntuH").Output()
		if err != nil {
			return fmt.Errorf("ss: %w", err)
		}
		proto, at, _ := strings.Cut(port, " ")
		for l := range strings.Lines(string(out)) {
			f := strings.Fields(l)
			if len(f) > 4 && f[0] == proto && strings.NewReplacer("[", "", "]", "").Replace(f[4]) == at {
				return nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	said := ""
	for _, n := range []string{"dnsmasq", "unbound", "nginx"} {
		b, err := os.ReadFile("/tmp/" + n + ".log")
		said += fmt.Sprintf("%s: %s %v\n", n, b, err)
	}
	return fmt.Errorf("nobody listens at %s:\n%s", port, said)
}

func (w *world) close() error {
	var errs []error
	for _, s := range w.servers {
		errs = append(errs, s.Process.Kill())
		var status *exec.ExitError
		if err := s.Wait(); !errors.As(err, &status) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, w.script.Close())...)
}
