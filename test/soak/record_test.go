package soak

import (
	"fmt"
	"io"
	"log"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// quiet is where servers log what the test breaks on purpose.
var quiet = log.New(io.Discard, "", 0)

// outcome is what a client knows of its operation.
type outcome string

const (
	done    outcome = "ok"
	refused outcome = "refused" // by an answer that says that nothing was done
	unknown outcome = "unknown" // no answer, or one that does not say
)

// operation is one request of a client.
type operation struct {
	id         string // as the Service that it wrote is annotated
	kind       string
	service    types.NamespacedName
	asked      []int32   // numbers that it names itself
	uid        types.UID // of the Service that it deletes, or was answered
	call, back time.Duration
	outcome    outcome
	numbers    []int32 // of the Service that it was answered
	said       string  // why it was refused, or is unknown
}

// admission is one call of a webhook for Services.
type admission struct {
	operation  string // the id of the client's
	service    types.NamespacedName
	validates  bool // else it fills in numbers
	call, back time.Duration
	answered   bool
	allowed    bool
	numbers    []int32 // of the Service that is validated, or those filled in
}

// handout is the creation of a claim, by a manager.
type handout struct {
	revision int64
	number   int32
	owner    types.NamespacedName
	baseline int64 // what there was to know at this revision, when the manager was started, it had to know
}

// change is what etcd has of a Service or of a claim from a revision on.
type change struct {
	revision int64
	at       time.Duration // when it was seen, which is later
	gone     bool
	service  *service // either
	claim    *claim   // or
}

// service is a live Service.
type service struct {
	name    types.NamespacedName
	uid     types.UID
	numbers []int32
	by      string // the operation that wrote it last
}

// claim is a NodePortAllocation.
type claim struct {
	number int32
	spec   v1alpha1.NodePortAllocationSpec
}

func (c *claim) owner() types.NamespacedName {
	return types.NamespacedName{Namespace: c.spec.ServiceRef.Namespace, Name: c.spec.ServiceRef.Name}
}

// event is a fault.
type event struct {
	at   time.Duration
	what string
}

// history is all that happened.
type history struct {
	operations []operation
	admissions []admission
	handouts   []handout
	changes    []change // by revision
	events     []event
	faults     map[string]int // events by kind
}

// record is the history in the making. Any number of goroutines may use it.
type record struct {
	began time.Time

	mu sync.Mutex // guards all below
	history
	last int64 // the revision of the newest change in etcd, of whatever
	lame error // why the test cannot go on
}

func newRecord() *record {
	return &record{began: time.Now(), history: history{faults: map[string]int{}}}
}

func (r *record) now() time.Duration { return time.Since(r.began) }

func (r *record) operated(o operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operations = append(r.operations, o)
}

func (r *record) admitted(a admission) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.admissions = append(r.admissions, a)
}

func (r *record) handout(h handout) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handouts = append(r.handouts, h)
}

// fault counts a fault of a kind.
func (r *record) fault(kind string, details ...any) {
	at := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[kind]++
	r.events = append(r.events, event{at, kind + " " + fmt.Sprint(details...)})
}

// trouble is why the test cannot go on; nil where it can.
func (r *record) trouble() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lame
}

// soFar is a copy of the history.
func (r *record) soFar() history {
	r.mu.Lock()
	defer r.mu.Unlock()
	return history{
		operations: slices.Clone(r.operations), admissions: slices.Clone(r.admissions), handouts: slices.Clone(r.handouts),
		changes: slices.Clone(r.changes), events: slices.Clone(r.events), faults: maps.Clone(r.faults),
	}
}

func revisionOf(resourceVersion string) int64 {
	revision, _ := strconv.ParseInt(resourceVersion, 10, 64) // 0: nobody knows
	return revision
}
