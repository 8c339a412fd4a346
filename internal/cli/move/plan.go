package move

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// wish is what the caller wants of a Service.
type wish struct {
	to int32
	// port names the entry; given: it was named.
	port  string
	given bool
	// rename is the name that an entry without one is to have.
	rename string
}

// plan is the move that is wished for; the error says why it cannot begin, and what to do. Whether the Service may have the
// number is for the API server to say, and Portolan's admission.
func plan(p *picture.Picture, svc *corev1.Service, w wish) (*Mark, error) {
	request, err := choose(svc, w)
	if err != nil {
		return nil, err
	}
	m := &Mark{From: request.NodePort, To: w.to, Since: metav1.NewTime(p.Now.Truncate(time.Second))}
	for _, port := range request.Ports {
		m.Ports = append(m.Ports, port.Name)
	}
	for _, check := range []func(*picture.Picture, *corev1.Service, *Mark, wish) error{isNew, hasEndpoints, hasNames, staysGuarded} {
		if err := check(p, svc, m, w); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// choose is the number that is to change, with all entries that share it.
func choose(svc *corev1.Service, w wish) (serviceports.Request, error) {
	var found []serviceports.Request
	var names []string
	for _, r := range serviceports.Requests(svc) {
		if r.Role != serviceports.Traffic || r.NodePort == 0 {
			continue
		}
		for _, port := range r.Ports {
			names = append(names, port.Name)
		}
		if !w.given || slices.ContainsFunc(r.Ports, func(p serviceports.Port) bool { return p.Name == w.port }) {
			found = append(found, r)
		}
	}
	switch {
	case len(names) == 0:
		return serviceports.Request{}, fmt.Errorf("no node port of Service %s could change", svc.Name)
	case len(found) == 0:
		return serviceports.Request{}, fmt.Errorf("no node port of Service %s has the name %q, but %s", svc.Name, w.port, strings.Join(names, ", "))
	case len(found) > 1:
		return serviceports.Request{}, fmt.Errorf("there are several node ports in Service %s: say which by --port, one of %s", svc.Name, strings.Join(names, ", "))
	}
	return found[0], nil
}

func isNew(_ *picture.Picture, svc *corev1.Service, m *Mark, _ wish) error {
	switch {
	case m.To == 0:
		return errors.New("--to says which number the Service is to have")
	case m.To == m.From:
		return fmt.Errorf("%d is the number that Service %s has", m.To, svc.Name)
	case slices.Contains(serviceports.Numbers(serviceports.Stored(svc)), m.To):
		return fmt.Errorf("%d is the number of another port of Service %s", m.To, svc.Name)
	}
	return nil
}

// hasEndpoints: those of a second entry come from the Service's selector.
func hasEndpoints(_ *picture.Picture, svc *corev1.Service, m *Mark, _ wish) error {
	if len(svc.Spec.Selector) > 0 {
		return nil
	}
	return fmt.Errorf("nobody would give a second entry of Service %s its endpoints, since it has no selector: add an entry with nodePort %d to the Service, and its name to its EndpointSlices, by hand",
		svc.Name, m.To)
}

// hasNames: where there are several entries all of them have a name, each its own.
func hasNames(_ *picture.Picture, svc *corev1.Service, m *Mark, w wish) error {
	if m.Ports[0] == "" && w.rename == "" {
		return fmt.Errorf("the port of Service %[1]s has no name, which it needs beside a second one: give it one, say --name http, or in its manifest. "+
			"Until its EndpointSlices have that name too, for some tenths of a second, %[2]d may refuse connections; then there is no gap any more", svc.Name, m.From)
	}
	if m.Ports[0] != "" && w.rename != "" {
		return fmt.Errorf("--name is for a port without a name; that of Service %s is %s", svc.Name, m.Ports[0])
	}
	seen := map[string]string{}
	for _, name := range namesOf(m, w) {
		extra := second(name)
		if entry(svc, extra) != nil || seen[extra] != "" {
			return fmt.Errorf("the second entry for %s would be named %s, and there is one of that name", name, extra)
		}
		seen[extra] = name
	}
	return nil
}

// namesOf are those of the own entries once the move has begun.
func namesOf(m *Mark, w wish) []string {
	if w.rename != "" {
		return []string{w.rename}
	}
	return m.Ports
}

// staysGuarded: what no NodePortAccess selects is open to everybody. So each that names the port must name the second entry.
// Who may not read them is warned instead: see advice.
func staysGuarded(p *picture.Picture, svc *corev1.Service, m *Mark, w wish) error {
	var commands []string
	for _, name := range namesOf(m, w) {
		before := name
		if w.rename != "" {
			before = ""
		}
		for _, a := range p.Selecting(svc, before, name) {
			policy := access.NewSelection(a)
			for _, wanted := range []string{name, second(name)} {
				if !policy.SelectsPort(wanted) {
					commands = append(commands, fmt.Sprintf(`  kubectl patch npacc %s -n %s --type=json -p='[{"op":"add","path":"/spec/ports/-","value":%q}]'`,
						a.Name, a.Namespace, wanted))
				}
			}
		}
	}
	if len(commands) == 0 {
		return nil
	}
	return fmt.Errorf("a NodePortAccess says by the name of the port who may reach it, and does not name the second entry, which everybody could reach: first\n%s",
		strings.Join(commands, "\n"))
}
