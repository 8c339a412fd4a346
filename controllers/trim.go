package controllers

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// TrimService is how a Service is cached: without what nobody here reads, of which the most is what kubectl notes in an
// annotation. So a cached Service is never to be written as a whole: its condition is patched. The same object is returned.
func TrimService(svc *corev1.Service) *corev1.Service {
	meta := metav1.ObjectMeta{
		Namespace: svc.Namespace, Name: svc.Name, UID: svc.UID, ResourceVersion: svc.ResourceVersion, Generation: svc.Generation,
		CreationTimestamp: svc.CreationTimestamp, DeletionTimestamp: svc.DeletionTimestamp, Labels: svc.Labels,
	}
	if pool, ok := svc.Annotations[v1alpha1.PoolAnnotation]; ok {
		meta.Annotations = map[string]string{v1alpha1.PoolAnnotation: pool}
	}
	svc.ObjectMeta = meta
	svc.Spec.Selector, svc.Spec.SessionAffinityConfig = nil, nil
	svc.Spec.ClusterIP, svc.Spec.ClusterIPs, svc.Spec.IPFamilies, svc.Spec.IPFamilyPolicy = "", nil, nil, nil
	svc.Spec.ExternalIPs, svc.Spec.LoadBalancerSourceRanges = nil, nil
	svc.Status.LoadBalancer = corev1.LoadBalancerStatus{}
	return svc
}
