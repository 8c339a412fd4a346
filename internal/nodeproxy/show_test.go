package nodeproxy

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestWhatShowSays(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.put("default/web", "10.96.0.11", 30081)
		w.services.Modify(st.MakeService("shop/dns").ClusterIPs("10.96.0.12").NodePort(53, 30080, st.UDP).Obj())
		w.services.Modify(st.MakeService("shop/others").Label(v1alpha1.ServiceProxyNameLabel, "another").ClusterIPs("10.96.0.14").NodePort(80, 30099).Obj())
		w.start()
		for _, tc := range []struct {
			subject string
			want    []string
			refused bool
		}{
			{"", []string{"Node node-1 serves all Services", "3 Services", "2 node ports on 192.0.2.1"}, false},
			{"shop/web", []string{"shop/web", "30080", "10.244.1.1"}, false},
			{"web", []string{"default/web", "30081"}, false},
			{"30081", []string{"default/web"}, false},
			{"30080", []string{"shop/dns", "shop/web"}, false},
			{"shop/others", []string{"another"}, false},
			{"30099", []string{"shop/others is left to another proxy", "TCP 30099", "Everybody may."}, false},
			{"30100", []string{"no Service has node port 30100"}, true},
			{"shop/nobody", []string{"there is no Service shop/nobody"}, true},
			{"70000", []string{"there is no port 70000: ports go to 65535"}, true},
		} {
			text, err := w.agent.show(tc.subject)
			if (err != nil) != tc.refused {
				t.Errorf("%q: error %v", tc.subject, err)
			}
			if err != nil {
				text = err.Error()
			}
			for _, part := range tc.want {
				if !strings.Contains(text, part) {
					t.Errorf("%q: it does not say %q:\n%s", tc.subject, part, text)
				}
			}
		}
	})
}

func TestShowSaysWhoMayReachAServiceAndHowOftenItWasUsed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.options.Selection.Mode = v1alpha1.ProxyModeNone
		w.watchingUse()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.put("shop/api", "10.96.0.11", 30081, "10.244.1.2")
		w.put("pay/api", "10.96.0.12", 30082, "10.244.1.3")
		w.allow("shop", "203.0.113.0/24")
		w.start()
		w.fake.Count(webPort, 3)
		w.pass(useInterval)
		for _, tc := range []struct {
			subject string
			want    []string
		}{
			{"", []string{"Who may reach node ports is said by 1 object of NodePortAccess and the access of 0 pools."}},
			{"30080", []string{"shop/web is left to another proxy", "TCP 30080", "NodePortAccess office lets in 203.0.113.0/24.",
				"Whoever else comes from outside is refused.", "3 new connections have got in from outside"}},
			{"shop/api", []string{"NodePortAccess office lets in 203.0.113.0/24.", "No connection has got in"}},
			{"pay/api", []string{"Everybody may."}},
		} {
			text, err := w.agent.show(tc.subject)
			w.must(err)
			for _, part := range tc.want {
				if !strings.Contains(text, part) {
					t.Errorf("%q: it does not say %q:\n%s", tc.subject, part, text)
				}
			}
		}
	})
}

func TestShowOfANumberSaysWhatElseUsesIt(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.watchingClashes()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		for number, want := range map[string]string{"30080": "which is a node port of a Service", "30081": "which is not handed out"} {
			h.listen("0.0.0.0:" + number)
			w.pass(time.Minute)
			text, err := w.agent.show(number)
			if err != nil || !strings.Contains(text, "listens on TCP "+number+", "+want) {
				t.Errorf("of %s it says %q, %v", number, text, err)
			}
			if strings.Contains(text, "shop/web") != (number == "30080") {
				t.Errorf("of %s it says %q", number, text)
			}
		}
	})
}

func TestShowIsAnsweredOnTheNodeItselfOnly(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		for _, tc := range []struct {
			from, at string
			want     int
		}{
			{"127.0.0.1:40000", "127.0.0.1:10349", http.StatusOK},
			{"[::1]:40000", "[::1]:10349", http.StatusOK},
			{"[::ffff:127.0.0.1]:40000", "[::ffff:127.0.0.1]:10349", http.StatusOK},
			{"192.0.2.1:40000", "192.0.2.1:10349", http.StatusOK},
			{"192.0.2.7:40000", "192.0.2.1:10349", http.StatusForbidden},
			{"[2001:db8::7]:40000", "[2001:db8::1]:10349", http.StatusForbidden},
			{"", "192.0.2.1:10349", http.StatusForbidden},
		} {
			at := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tc.at))
			ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(at))
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, showPath+"?of=shop/web", nil)
			request.RemoteAddr = tc.from
			answer := httptest.NewRecorder()
			w.agent.serveShow(answer, request)
			if names := strings.Contains(answer.Body.String(), "30080"); answer.Code != tc.want || names != (tc.want == http.StatusOK) {
				t.Errorf("from %q at %s: %d, %q", tc.from, tc.at, answer.Code, answer.Body)
			}
		}
	})
}

func TestShowAsksTheNodeProxyThatRuns(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", serverName)
		if r.URL.Path != showPath || r.FormValue("of") != "shop/web" {
			http.Error(w, "there is no Service "+r.FormValue("of"), http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte("It is served.\n"))
	}))
	defer server.Close()
	address, kubeProxys := server.Listener.Addr().String(), other.Listener.Addr().String()
	const nowhere = "127.0.0.1:1"
	for _, tc := range []struct{ addresses, subject, want, wantErr string }{
		{address, "shop/web", "It is served.\n", ""},
		{strings.Replace(address, "127.0.0.1", "0.0.0.0", 1), "shop/web", "It is served.\n", ""},
		{strings.Replace(address, "127.0.0.1", "", 1), "shop/web", "It is served.\n", ""},
		{address, "shop/api", "", "there is no Service shop/api"},
		{nowhere + " " + address, "shop/web", "It is served.\n", ""},
		{kubeProxys + " " + address, "shop/web", "It is served.\n", ""},
		{address + " " + nowhere, "shop/api", "", "there is no Service shop/api"},
		{nowhere + " " + kubeProxys, "shop/web", "", "no node-proxy answers at 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; no node-proxy answers at " +
			kubeProxys + ": something else does; if its metrics are elsewhere, say so by --metrics-bind-address"},
	} {
		var out strings.Builder
		err := Show(t.Context(), strings.Fields(tc.addresses), tc.subject, &out)
		if out.String() != tc.want || (err == nil) != (tc.wantErr == "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
			t.Errorf("%+v: got %q, %v", tc, out.String(), err)
		}
	}
}
