// Package selection says which Services a node's proxy serves. node-proxy goes by it, and so does who reads what nodes report.
package selection

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Selection is which Services a proxy serves.
type Selection struct {
	// Mode of none of its values serves no Service.
	Mode v1alpha1.ProxyMode
	// ProxyName is the label's value that names the proxy.
	ProxyName string
}

// Of is the selection that a node reports.
func Of(state *v1alpha1.NodePortNodeState) Selection {
	return Selection{Mode: state.Status.Mode, ProxyName: state.Status.ServiceProxyName}
}

// Takes says whether the proxy serves a Service. One that the label gives to another proxy it never does; one given
// to it by name it serves in both modes, so that going from labelled to all leaves none without a proxy.
func (s Selection) Takes(svc *corev1.Service) bool {
	name, labelled := svc.Labels[v1alpha1.ServiceProxyNameLabel]
	switch s.Mode {
	case v1alpha1.ProxyModeAll:
		return !labelled || name == s.ProxyName
	case v1alpha1.ProxyModeLabelled:
		return labelled && name == s.ProxyName
	default:
		return false
	}
}

// modes are all.
var modes = []v1alpha1.ProxyMode{v1alpha1.ProxyModeLabelled, v1alpha1.ProxyModeAll, v1alpha1.ProxyModeNone}

// Word is how a flag says a mode.
func Word(mode v1alpha1.ProxyMode) string { return strings.ToLower(string(mode)) }

// ParseMode reads the word of a mode; the error says which there are.
func ParseMode(word string) (v1alpha1.ProxyMode, error) {
	for _, mode := range modes {
		if word == Word(mode) {
			return mode, nil
		}
	}
	return "", fmt.Errorf("%q is none of %s, %s and %s", word, Word(modes[0]), Word(modes[1]), Word(modes[2]))
}
