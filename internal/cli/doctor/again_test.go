package doctor

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/scheme"
)

// What is listed is put together of lists that were read at different moments.
func TestOnlyWhatIsStillSoAtASecondLookIsALeak(t *testing.T) {
	now := picturetest.New().Bound(30150, "shop/quick").Bound(30151, "shop/other")
	there := func() []client.Object {
		return []client.Object{now.Services[0].DeepCopy(), now.Allocations[0].DeepCopy()}
	}
	for _, tt := range []struct {
		name   string
		listed func(*patient)
		there  []client.Object // as it is now
		want   string          // the object of the finding; "": none
	}{
		{"the Service came after Services were listed", func(p *patient) { p.site.Allocations = append(p.site.Allocations, now.Allocations[0]) }, there(), ""},
		{"the Service went before Services were listed", func(p *patient) { p.site.Allocations = append(p.site.Allocations, now.Allocations[0]) }, nil, ""},
		{"the Service got the number after the ledger was listed", func(p *patient) { p.site.Services = append(p.site.Services, now.Services[0]) }, there(), ""},
		{"the Service has gone, and its allocation has not", func(p *patient) { p.site.Allocations = append(p.site.Allocations, now.Allocations[0]) }, there()[1:], "nodeportallocation/30150"},
		{"the ledger still does not have it", func(p *patient) { p.site.Services = append(p.site.Services, now.Services[0]) }, there()[:1], "service/quick (namespace shop)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := healthy(t)
			tt.listed(p)
			p.Picture = p.site.Picture()
			if first := leaks(p.Cluster); len(first.Findings) != 1 {
				t.Fatalf("at the first look it is not doubtful: %+v", first)
			}
			r := reader{Client: fake.NewClientBuilder().WithScheme(scheme.New()).WithObjects(tt.there...).Build()}
			if err := r.again(t.Context(), p.Cluster, 0); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, f := range leaks(p.Cluster).Findings {
				got += f.Object
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
