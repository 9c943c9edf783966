package loader

// Object is what of ours somebody touched, enum guarded of bpf/guard_types.h.
type Object uint8

// Objects that are protected.
const (
	ObjectMap     = Object(safeclawGuardedGUARDED_MAP)
	ObjectProgram = Object(safeclawGuardedGUARDED_PROGRAM)
	ObjectLink    = Object(safeclawGuardedGUARDED_LINK)
	ObjectProcess = Object(safeclawGuardedGUARDED_PROCESS)
	ObjectFile    = Object(safeclawGuardedGUARDED_FILE)
	ObjectMount   = Object(safeclawGuardedGUARDED_MOUNT)
	ObjectSocket  = Object(safeclawGuardedGUARDED_SOCKET)
)

var objectNames = map[Object]string{
	ObjectMap: "map", ObjectProgram: "program", ObjectLink: "link", ObjectProcess: "process",
	ObjectFile: "file", ObjectMount: "mount", ObjectSocket: "socket",
}

func (o Object) String() string { return objectNames[o] }

// Why says why somebody else than the agent was allowed, enum guard_why.
type Why uint8

// Reasons.
const (
	WhyNone     = Why(safeclawGuardWhyWHY_NONE)     // it was not
	WhyHost     = Why(safeclawGuardWhyWHY_HOST)     // from the host's mount namespace, or the agent's
	WhyTakeover = Why(safeclawGuardWhyWHY_TAKEOVER) // no agent is alive
)

var whyNames = map[Why]string{WhyNone: "", WhyHost: "administrator", WhyTakeover: "takeover"}

func (w Why) String() string { return whyNames[w] }

// Touch is what a task that nothing gates did to something of ours. The event's
// subject is the object's name, without its directory.
type Touch struct {
	Object Object
	// ID is the number of a map, program or link, the process id of the agent,
	// or the inode number of the protected directory.
	ID   uint64
	Why  Why
	Held uint64 // touches from that cgroup before this one that were counted only
}

const eventGuard = uint8(safeclawEventKindEVENT_GUARD)

func decodeTouch(h *safeclawEvent) *Touch {
	return &Touch{Object: Object(h.Exe), ID: h.Subject, Why: Why(h.Flags), Held: h.TableId}
}
