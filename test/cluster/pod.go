package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// reconcile brings one Pod of the node in step with the API server:
//
//	bound here        -> a namespace with an echo server on each port; Running and, unless told otherwise, Ready
//	being deleted     -> keeps answering until its grace is over; then the namespace goes, then the object
//	gone, or replaced -> the namespace goes at once
func (a *agent) reconcile(ctx context.Context, key types.NamespacedName) error {
	pod, err := a.lister.Pods(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		a.endPod(key)
		return nil
	}
	if err != nil {
		return err
	}
	if r := a.runtimeOf(key); r != nil && r.uid != pod.UID {
		a.endPod(key)
	}
	if pod.DeletionTimestamp != nil {
		return a.terminate(ctx, key, pod)
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		a.endPod(key)
		return nil
	}
	if pod.Spec.HostNetwork {
		return a.report(ctx, pod, a.hostNetworkStatus(pod))
	}
	r := a.runtimeOf(key)
	if r == nil {
		if r, err = a.startPod(pod); err != nil {
			return err
		}
		a.setRuntime(key, r)
	}
	return a.report(ctx, pod, runningStatus(pod, r.ip.String(), a.node.IP.String(), r.started))
}

// terminate ends a Pod when its grace is over. Until then its readiness stays what it is, as with a kubelet whose probes
// still succeed: the endpoint is terminating and serving.
func (a *agent) terminate(ctx context.Context, key types.NamespacedName, pod *corev1.Pod) error {
	r := a.runtimeOf(key)
	if left := time.Until(pod.DeletionTimestamp.Time); r != nil && left > 0 {
		a.queue.AddAfter(key, left)
		return a.report(ctx, pod, runningStatus(pod, r.ip.String(), a.node.IP.String(), r.started))
	}
	a.endPod(key)
	err := a.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64(0)),
		Preconditions:      metav1.NewUIDPreconditions(string(pod.UID)),
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// report writes a status, if it is another than the last. It is a patch of what differs, so it does not conflict with
// others who write the Pod.
func (a *agent) report(ctx context.Context, pod *corev1.Pod, status corev1.PodStatus) error {
	before, errBefore := json.Marshal(corev1.Pod{Status: pod.Status})
	after, errAfter := json.Marshal(corev1.Pod{Status: status})
	if err := errors.Join(errBefore, errAfter); err != nil {
		return err
	}
	if string(before) == string(after) {
		return nil
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(before, after, corev1.Pod{})
	if err != nil {
		return err
	}
	_, err = a.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reporting its status: %w", err)
	}
	return nil
}
