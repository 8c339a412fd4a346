package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// ReadyAnnotation on a Pod set to "false" makes it not ready, at once; any other value, or none, makes it ready.
	ReadyAnnotation = "demo.portolan.dev/ready"
	// HostNetworkReason is why a hostNetwork Pod's containers wait until a process stands in for them (Node.StandIn).
	HostNetworkReason = "HostNetworkNotSupported"
)

// runningStatus is the status of a Pod whose containers have all run since started.
func runningStatus(pod *corev1.Pod, podIP, hostIP string, started metav1.Time) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.Phase = corev1.PodRunning
	status.Reason, status.Message = "", ""
	status.PodIP, status.PodIPs = podIP, []corev1.PodIP{{IP: podIP}}
	status.HostIP, status.HostIPs = hostIP, []corev1.HostIP{{IP: hostIP}}
	status.StartTime = &started

	containers := pod.Annotations[ReadyAnnotation] != "false"
	status.InitContainerStatuses = initStatuses(pod, started)
	status.ContainerStatuses = make([]corev1.ContainerStatus, 0, len(pod.Spec.Containers))
	for _, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: c.Image, ContainerID: "echo://" + string(pod.UID) + "/" + c.Name,
			Ready: containers, Started: new(true),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
		})
	}
	setCondition(&status, corev1.PodReadyToStartContainers, true, "")
	setCondition(&status, corev1.PodInitialized, true, "")
	setCondition(&status, corev1.ContainersReady, containers, "ContainersNotReady")
	setCondition(&status, corev1.PodReady, containers && gatesOpen(pod), notReadyReason(containers))
	return status
}

// initStatuses are those of init containers that have done their work, and of sidecars that run.
func initStatuses(pod *corev1.Pod, started metav1.Time) []corev1.ContainerStatus {
	var statuses []corev1.ContainerStatus
	for _, c := range pod.Spec.InitContainers {
		s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: c.Image, Ready: true}
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			s.Started = new(true)
			s.State.Running = &corev1.ContainerStateRunning{StartedAt: started}
		} else {
			s.State.Terminated = &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: started, FinishedAt: started}
		}
		statuses = append(statuses, s)
	}
	return statuses
}

// gatesOpen says whether all the conditions are true that others keep for the Pod (spec.readinessGates).
func gatesOpen(pod *corev1.Pod) bool {
	for _, gate := range pod.Spec.ReadinessGates {
		if !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == gate.ConditionType && c.Status == corev1.ConditionTrue
		}) {
			return false
		}
	}
	return true
}

func notReadyReason(containersReady bool) string {
	if containersReady {
		return "ReadinessGatesNotReady"
	}
	return "ContainersNotReady"
}

// endedStatus is a running status after the containers' end: a Pod that is to be started again stays Running, and is not
// Ready.
func endedStatus(status corev1.PodStatus, how corev1.ContainerStateTerminated) corev1.PodStatus {
	for i := range status.ContainerStatuses {
		c := &status.ContainerStatuses[i]
		c.Ready, c.Started = false, new(false)
		c.State = corev1.ContainerState{Terminated: how.DeepCopy()}
	}
	setCondition(&status, corev1.ContainersReady, false, "ContainersNotReady")
	setCondition(&status, corev1.PodReady, false, "ContainersNotReady")
	return status
}

// waitingStatus is that of a hostNetwork Pod without a process: Pending, and it says why. Failing the Pod would have its
// DaemonSet make another for ever.
func waitingStatus(pod *corev1.Pod) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.Phase = corev1.PodPending
	status.ContainerStatuses = nil
	for _, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Started: new(false),
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
				Reason:  HostNetworkReason,
				Message: "the demo cluster's nodes run Pods with a network of their own only, and no process stands in for this one",
			}},
		})
	}
	setCondition(&status, corev1.ContainersReady, false, HostNetworkReason)
	setCondition(&status, corev1.PodReady, false, HostNetworkReason)
	return status
}

// setCondition sets a condition, with the reason if it is false; its time moves only when it changes.
func setCondition(status *corev1.PodStatus, kind corev1.PodConditionType, holds bool, reason string) {
	want := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, LastTransitionTime: metav1.Now()}
	if holds {
		want.Status, want.Reason = corev1.ConditionTrue, ""
	}
	for i, have := range status.Conditions {
		if have.Type != kind {
			continue
		}
		if have.Status == want.Status {
			want.LastTransitionTime = have.LastTransitionTime
			want.ObservedGeneration = have.ObservedGeneration
		}
		status.Conditions[i] = want
		return
	}
	status.Conditions = append(status.Conditions, want)
}
