package cluster

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Container is a program that runs as a process of a node, with what is needed to run it there again.
type Container struct {
	// Program is all that there is in it: kubectl exec finds it by its file's name, and nothing else.
	Program string
	// Capabilities are those it has.
	Capabilities []uintptr
}

// StandIn makes a process of the node, which the caller has started, what its hostNetwork Pods with a ServiceAccount run:
// they are Running and Ready while it runs, and kubectl exec into them runs the program on the node. It stands in for Pods
// of now and of later, in the place of the one before; their end is not its end.
func (n *Node) StandIn(namespace, serviceAccount string, process *Process, what Container) {
	n.agent.standIn(types.NamespacedName{Namespace: namespace, Name: serviceAccount}, &standIn{
		Container: what, process: process, started: metav1.Now().Rfc3339Copy(),
	})
}

// standIn is a process that stands in for Pods.
type standIn struct {
	Container
	process           *Process
	started, finished metav1.Time // finished is zero while the process runs
}

func (a *agent) standIn(account types.NamespacedName, s *standIn) {
	a.mu.Lock()
	a.standIns[account] = s
	a.mu.Unlock()
	a.enqueueAll(account.Namespace)
	go func() {
		<-s.process.Done()
		a.mu.Lock()
		s.finished = metav1.Now().Rfc3339Copy()
		a.mu.Unlock()
		a.enqueueAll(account.Namespace)
	}()
}

// enqueueAll has the Pods of a namespace looked at again.
func (a *agent) enqueueAll(namespace string) {
	pods, err := a.lister.Pods(namespace).List(labels.Everything())
	if err != nil {
		a.complain("Pods of "+namespace, err)
	}
	for _, pod := range pods {
		a.queue.Add(types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name})
	}
}

// standInFor is what a hostNetwork Pod runs; false: nothing ever did.
func (a *agent) standInFor(pod *corev1.Pod) (standIn, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.standIns[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}]
	if !ok || !pod.Spec.HostNetwork {
		return standIn{}, false
	}
	return *s, true
}

// hostNetworkStatus is that of a process that stands in for the Pod, else of a Pod that waits.
func (a *agent) hostNetworkStatus(pod *corev1.Pod) corev1.PodStatus {
	s, ok := a.standInFor(pod)
	if !ok {
		return waitingStatus(pod)
	}
	ip := a.node.IP.String()
	status := runningStatus(pod, ip, ip, s.started)
	if s.finished.IsZero() {
		return status
	}
	return endedStatus(status, corev1.ContainerStateTerminated{
		ExitCode: int32(s.process.State().ExitCode()), Reason: "Ended", Message: s.process.State().String(),
		StartedAt: s.started, FinishedAt: s.finished,
	})
}

func (c Container) name() string { return filepath.Base(c.Program) }

// command is a command in the container, found as in its PATH, in which there is nothing but the program.
func (c Container) command(args []string) (*exec.Cmd, error) {
	if len(args) == 0 {
		return nil, errors.New("exec: no command")
	}
	if args[0] != c.Program && args[0] != c.name() {
		return nil, fmt.Errorf("exec: %q: executable file not found in $PATH: there is %s, and no shell", args[0], c.name())
	}
	return exec.Command(c.Program, args[1:]...), nil
}
