package route

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Mode says which Services are served.
type Mode string

const (
	// ModeLabelled serves those whose label names this proxy.
	ModeLabelled Mode = "labelled"
	// ModeAll serves those too that have no such label, in the place of kube-proxy.
	ModeAll Mode = "all"
	// ModeNone serves none.
	ModeNone Mode = "none"
)

// Selection is which Services this proxy serves.
type Selection struct {
	Mode Mode
	// ProxyName is the label's value that names this proxy.
	ProxyName string
}

// Takes says whether the proxy serves a Service. One that the label gives to another proxy it never does; one given
// to it by name it serves in both modes, so that going from labelled to all leaves none without a proxy.
func (s Selection) Takes(svc *corev1.Service) bool {
	name, labelled := svc.Labels[v1alpha1.ServiceProxyNameLabel]
	switch s.Mode {
	case ModeAll:
		return !labelled || name == s.ProxyName
	case ModeLabelled:
		return labelled && name == s.ProxyName
	default:
		return false
	}
}

// ParseMode reads a Mode; the error says which there are.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case ModeLabelled, ModeAll, ModeNone:
		return m, nil
	}
	return "", fmt.Errorf("%q is none of %s, %s and %s", text, ModeLabelled, ModeAll, ModeNone)
}
