package selection_test

import (
	"testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/selection"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestTheLabelSaysWhichProxyServesAService(t *testing.T) {
	unlabelled := st.MakeService("shop/web").Obj()
	ours := st.MakeService("shop/web").Label(v1alpha1.ServiceProxyNameLabel, "portolan").Obj()
	others := st.MakeService("shop/web").Label(v1alpha1.ServiceProxyNameLabel, "another").Obj()
	empty := st.MakeService("shop/web").Label(v1alpha1.ServiceProxyNameLabel, "").Obj()
	for mode, want := range map[v1alpha1.ProxyMode][4]bool{
		v1alpha1.ProxyModeAll:      {true, true, false, false},
		v1alpha1.ProxyModeLabelled: {false, true, false, false},
		v1alpha1.ProxyModeNone:     {},
		"":                         {},
	} {
		s := selection.Of(&v1alpha1.NodePortNodeState{Status: v1alpha1.NodePortNodeStateStatus{Mode: mode, ServiceProxyName: "portolan"}})
		if got := [4]bool{s.Takes(unlabelled), s.Takes(ours), s.Takes(others), s.Takes(empty)}; got != want {
			t.Errorf("%s: got %t, want %t", mode, got, want)
		}
	}
}

func TestModesAreReadAsFlagsHaveThem(t *testing.T) {
	for word, want := range map[string]v1alpha1.ProxyMode{
		"labelled": v1alpha1.ProxyModeLabelled, "all": v1alpha1.ProxyModeAll, "none": v1alpha1.ProxyModeNone, "All": "", "": "",
	} {
		if got, err := selection.ParseMode(word); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", word, got, err)
		}
	}
}
