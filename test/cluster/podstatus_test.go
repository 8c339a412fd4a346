package cluster

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestReadinessIsTheAnnotationAndTheGates(t *testing.T) {
	gate := []corev1.PodReadinessGate{{ConditionType: "example.com/in-balancer"}}
	open := []corev1.PodCondition{{Type: "example.com/in-balancer", Status: corev1.ConditionTrue}}
	tests := []struct {
		name              string
		annotation        string
		gates             []corev1.PodReadinessGate
		conditions        []corev1.PodCondition
		containers, ready corev1.ConditionStatus
	}{
		{name: "plain", containers: "True", ready: "True"},
		{name: "switched off", annotation: "false", containers: "False", ready: "False"},
		{name: "any other value", annotation: "no", containers: "True", ready: "True"},
		{name: "gate closed", gates: gate, containers: "True", ready: "False"},
		{name: "gate open", gates: gate, conditions: open, containers: "True", ready: "True"},
		{name: "gate open, switched off", annotation: "false", gates: gate, conditions: open, containers: "False", ready: "False"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pod := &corev1.Pod{
				Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}, ReadinessGates: tt.gates},
				Status: corev1.PodStatus{Conditions: tt.conditions},
			}
			if tt.annotation != "" {
				pod.Annotations = map[string]string{ReadyAnnotation: tt.annotation}
			}
			got := runningStatus(pod, "10.244.1.2", "198.18.0.11", metav1.Now())
			if c := conditionOf(got, corev1.ContainersReady); c != tt.containers {
				t.Errorf("ContainersReady is %s, want %s", c, tt.containers)
			}
			if r := conditionOf(got, corev1.PodReady); r != tt.ready {
				t.Errorf("Ready is %s, want %s", r, tt.ready)
			}
		})
	}
}

func conditionOf(status corev1.PodStatus, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return "missing"
}

func TestStatusOfAnUnchangedPodIsUnchanged(t *testing.T) {
	started := metav1.Now()
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}}
	pod.Status = runningStatus(pod, "10.244.1.2", "198.18.0.11", started)
	again := runningStatus(pod, "10.244.1.2", "198.18.0.11", started)
	if pod.Status.String() != again.String() {
		t.Errorf("a second look changed the status:\n%s\n%s", pod.Status.String(), again.String())
	}
}
