package access

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Two readers never take a source for two things: what Kubernetes takes for a CIDR today, in its shortest form, we take, and
// what we take means the same there.
func FuzzASourceIsReadAsKubernetesReadsIt(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "10.0.0.1/8", "010.0.0.0/8", "10.0.0.0/08", "10.0.0.0", "", "::/0", "2001:DB8::/32", "2001:db8:0::/48",
		"::ffff:10.0.0.0/104", "::10.0.0.0/104", "fe80::%eth0/64", " 10.0.0.0/8", "10.0.0.0/33", "0.0.0.0/0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := prefix(v1alpha1.CIDR(text), field.NewPath("cidr"))
		if errs := validation.IsValidCIDR(field.NewPath("cidr"), text); len(errs) == 0 && err != nil {
			t.Errorf("%q: %v; Kubernetes takes it", text, err)
		}
		if err != nil {
			if got.IsValid() {
				t.Errorf("%q: got %s and an error", text, got)
			}
			return
		}
		if _, network, err := netutils.ParseCIDRSloppy(text); err != nil || network.String() != got.String() {
			t.Errorf("%q: got %s, Kubernetes reads %s, %v", text, got, network, err)
		}
	})
}

// The API server asks the pattern of the CustomResourceDefinition. Objects may be older than that.
func FuzzAnInterfaceIsWhatTheKernelTakesForOne(f *testing.F) {
	for _, seed := range []string{"eth0", "", "eth/0", "eth 0", "eth0:1", "br-0.1@x", "sixteen-letters!", "\x7f", "ä", "a\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		names, errs := interfaces([]string{name}, field.NewPath("interfaces"))
		if taken := len(errs) == 0; taken != devValidName(name) || taken != (len(names) == 1) {
			t.Errorf("%q: got %v, %v", name, names, errs)
		}
	})
}

// devValidName is the kernel's function of that name (net/core/dev.c), of printable ASCII alone; "." and ".." it refuses,
// and no interface is ever called so.
func devValidName(name string) bool {
	if name == "" || len(name) > 15 {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || c == '/' || c == ':' {
			return false
		}
	}
	return true
}
