package guard

import (
	"testing"

	"gotest.tools/v3/golden"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// A bit of everything, as the kernel is to have it.
func TestTheTableOfAStreet(t *testing.T) {
	w := newWorld(t)
	w.node(map[string]string{"edge": "true"}, "192.0.2.1", "198.51.100.1", "2001:db8::1")
	w.pool("street", pool(30000, 30099, peer("0.0.0.0/0", "203.0.113.128/25"), peer("2001:db8::/32")))

	w.access("shop/office", forApp("web").from("203.0.113.0/24", "203.0.113.7/32").from("2001:db8:1::/48"))
	w.access("shop/slowly", forApp("web").ports("http").from("0.0.0.0/0").limit(100, 200))
	w.access("shop/inside", forApp("db").by("eth1").from("10.0.0.0/8"))
	w.access("shop/anywhere-at-one", forApp("db").at("198.51.100.0/24"))
	w.access("shop/elsewhere", forApp("cache").onNodes(map[string]string{"edge": "false"}))

	for app, svc := range map[string]*st.Service{
		"web":   st.MakeService("shop/web").NodePort(80, 30080, st.Named("http")).NodePort(443, 30443, st.Named("https")),
		"db":    st.MakeService("shop/db").NodePort(5432, 31000).NodePort(53, 31000, st.UDP),
		"cache": st.MakeService("shop/cache").NodePort(11211, 31001),
		"open":  st.MakeService("shop/open").LoadBalancer().LocalTraffic().NodePort(80, 31002).HealthCheck(31003),
	} {
		obj := svc.Created(monday).Obj()
		obj.Labels = labelled(app)
		w.service(obj)
	}
	w.do(w.planner.SetHostPorts([]nft.Port{{Protocol: nft.UDP, Number: 32000}}))

	golden.Assert(t, text(w.table)+"\n", "street.golden")
}
