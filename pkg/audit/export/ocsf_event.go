// SPDX-License-Identifier: MIT

package export

// The parts of OCSF 1.5.0 that are written. Names are the schema's.

const ocsfVersion = "1.5.0"

type event struct {
	ActivityID   int       `json:"activity_id"`
	ActivityName string    `json:"activity_name"`
	CategoryUID  int       `json:"category_uid"`
	CategoryName string    `json:"category_name"`
	ClassUID     int       `json:"class_uid"`
	ClassName    string    `json:"class_name"`
	TypeUID      int       `json:"type_uid"`
	TypeName     string    `json:"type_name"`
	SeverityID   int       `json:"severity_id"`
	Severity     string    `json:"severity"`
	StatusID     int       `json:"status_id,omitempty"`
	Status       string    `json:"status,omitempty"`
	StatusCode   string    `json:"status_code,omitempty"`
	StatusDetail string    `json:"status_detail,omitempty"`
	Message      string    `json:"message,omitempty"`
	Time         int64     `json:"time"`
	Count        uint64    `json:"count,omitempty"`
	StartTime    int64     `json:"start_time,omitempty"`
	EndTime      int64     `json:"end_time,omitempty"`
	Metadata     metadata  `json:"metadata"`
	Device       device    `json:"device"`
	Actor        *actor    `json:"actor,omitempty"`
	RawData      string    `json:"raw_data"`
	RawDataSize  int       `json:"raw_data_size"`
	Unmapped     *unmapped `json:"unmapped"`

	// profile security_control
	ActionID      int         `json:"action_id,omitempty"`
	Action        string      `json:"action,omitempty"`
	DispositionID int         `json:"disposition_id,omitempty"`
	Disposition   string      `json:"disposition,omitempty"`
	IsAlert       *bool       `json:"is_alert,omitempty"`
	Policy        *ocsfPolicy `json:"policy,omitempty"`

	// of one class
	File           *ocsfFile    `json:"file,omitempty"`
	Process        *ocsfProcess `json:"process,omitempty"`
	Kernel         *kernel      `json:"kernel,omitempty"`
	DstEndpoint    *endpoint    `json:"dst_endpoint,omitempty"`
	ConnectionInfo *connection  `json:"connection_info,omitempty"`
	LogName        string       `json:"log_name,omitempty"`
	LogProvider    string       `json:"log_provider,omitempty"`
}

type metadata struct {
	Version      string   `json:"version"`
	UID          string   `json:"uid"`
	Sequence     uint64   `json:"sequence"`
	EventCode    string   `json:"event_code"`
	LogName      string   `json:"log_name"`
	LogProvider  string   `json:"log_provider"`
	LoggedTime   int64    `json:"logged_time"`
	OriginalTime string   `json:"original_time"`
	Profiles     []string `json:"profiles"`
	Product      product  `json:"product"`
}

type product struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
}

type device struct {
	TypeID   int    `json:"type_id"`
	Hostname string `json:"hostname,omitempty"`
	UID      string `json:"uid"`
	BootUID  string `json:"boot_uid,omitempty"`
}

type actor struct {
	Process *ocsfProcess `json:"process"`
}

type ocsfProcess struct {
	PID         uint32       `json:"pid,omitempty"`
	TID         uint32       `json:"tid,omitempty"`
	UID         string       `json:"uid,omitempty"`
	Name        string       `json:"name,omitempty"`
	CreatedTime int64        `json:"created_time,omitempty"`
	File        *ocsfFile    `json:"file,omitempty"`
	User        *user        `json:"user,omitempty"`
	Parent      *ocsfProcess `json:"parent_process,omitempty"`
	Container   *container   `json:"container,omitempty"` // profile container
}

type user struct {
	UID string `json:"uid"`
}

type ocsfFile struct {
	Name   string `json:"name"`
	Path   string `json:"path,omitempty"`
	TypeID int    `json:"type_id"`
}

type container struct {
	Name         string `json:"name,omitempty"`
	UID          string `json:"uid,omitempty"`
	PodUUID      string `json:"pod_uuid,omitempty"`
	Orchestrator string `json:"orchestrator,omitempty"`
	Image        *image `json:"image,omitempty"`
}

type image struct {
	UID string `json:"uid"`
}

type ocsfPolicy struct {
	Name    string `json:"name,omitempty"`
	UID     string `json:"uid,omitempty"`
	Version string `json:"version,omitempty"`
}

type kernel struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type endpoint struct {
	IP       string `json:"ip,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	Name     string `json:"name,omitempty"`
	Port     uint16 `json:"port,omitempty"`
}

type connection struct {
	DirectionID  int    `json:"direction_id"`
	Direction    string `json:"direction"`
	ProtocolName string `json:"protocol_name,omitempty"`
	ProtocolNum  int    `json:"protocol_num,omitempty"`
}

// unmapped has what OCSF has no attribute for. Origin, seq and leaf hash are what
// the row is proven back with.
type unmapped struct {
	Origin     string `json:"origin"`
	Seq        uint64 `json:"seq"`
	LeafHash   string `json:"leaf_hash"`
	Kind       string `json:"kind"`
	Verdict    string `json:"verdict,omitempty"`
	SubjectB64 string `json:"subject_b64,omitempty"`
	ExeB64     string `json:"exe_b64,omitempty"`
	Class      string `json:"class,omitempty"`
	Hook       string `json:"hook,omitempty"`
	Rule       string `json:"rule,omitempty"`
	RuleNumber uint32 `json:"rule_number,omitempty"`
	CgroupID   uint64 `json:"cgroup_id,omitempty"`
	Namespace  string `json:"pod_namespace,omitempty"`
	Pod        string `json:"pod_name,omitempty"`
}
