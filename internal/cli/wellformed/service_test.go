package wellformed

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func service(t *testing.T, spec string) *corev1.Service {
	t.Helper()
	svc := &corev1.Service{}
	if err := yaml.UnmarshalStrict([]byte("spec: "+spec), svc); err != nil {
		t.Fatal(err)
	}
	return svc
}

func texts(svc, old *corev1.Service) []string {
	var all []string
	for _, err := range Errors(svc, old) {
		all = append(all, err.Error())
	}
	return all
}

// That these are the API server's refusals, and all of them, test/cli holds against one.
func TestErrorsAreTheAPIServersWords(t *testing.T) {
	const numbers = "must be between 1 and 65535, inclusive"
	for spec, want := range map[string][]string{
		`{type: NodePort, ports: [{protocol: TCP, port: 80, targetPort: 80}]}`: nil,
		`{type: NodePort}`: {`spec.ports: Required value`},
		`{type: NodePort, ports: [{protocol: FOO, port: 70000, targetPort: 70000}]}`: {
			"spec.ports[0].port: Invalid value: 70000: " + numbers,
			`spec.ports[0].protocol: Unsupported value: "FOO": supported values: "SCTP", "TCP", "UDP"`,
			"spec.ports[0].targetPort: Invalid value: 70000: " + numbers,
		},
		`{type: ClusterIP, ports: [{protocol: TCP, port: 80, targetPort: http}, {protocol: TCP, port: 80, targetPort: http, nodePort: 30153}]}`: {
			"spec.ports[0].name: Required value", "spec.ports[1].name: Required value",
			`spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80,"targetPort":0}`,
			"spec.ports[1].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
		},
		`{type: NodePort, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}, externalTrafficPolicy: Sometimes,
		  ports: [{protocol: TCP, port: 80, targetPort: 80}]}`: {
			"spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400",
			`spec.externalTrafficPolicy: Unsupported value: "Sometimes": supported values: "Cluster", "Local"`,
		},
	} {
		if diff := cmp.Diff(want, texts(service(t, spec), nil)); diff != "" {
			t.Errorf("%s:\n%s", spec, diff)
		}
	}
}

func TestWhatPortolanFillsInIsNotMissing(t *testing.T) {
	const spec = `{type: NodePort, ports: [{protocol: TCP, targetPort: 80}, {protocol: TCP, targetPort: 81}]}`
	if errs := Errors(service(t, spec), nil); len(errs) > 0 {
		t.Error(errs)
	}
	if svc := service(t, spec); Errors(svc, nil) != nil || svc.Spec.Ports[0].Port != 0 {
		t.Errorf("the Service was changed: %+v", svc.Spec)
	}
	if got := texts(service(t, strings.Replace(spec, "NodePort", "ClusterIP", 1)), nil); len(got) != 5 { // two ports, two names, and both are port 0
		t.Errorf("of a ClusterIP Service it fills in nothing: %q", got)
	}
}

func TestOfAnUpdateOnlyWhatIsWrongByItselfIsFound(t *testing.T) {
	const port = `{protocol: TCP, port: 80, targetPort: 80, nodePort: 30080}`
	nodePort, clusterIP := service(t, `{type: NodePort, ports: [`+port+`]}`), service(t, `{type: ClusterIP}`)
	for _, c := range []struct {
		name, spec string
		old        *corev1.Service
		want       int
	}{
		{"numbers that a change of type leaves behind are wiped", `{type: ClusterIP, externalTrafficPolicy: Local, healthCheckNodePort: 30081, ports: [` + port + `]}`, nodePort, 0},
		{"ports that are left out are there", `{type: NodePort}`, nodePort, 0},
		{"a number has never been there", `{type: ClusterIP, ports: [` + port + `]}`, clusterIP, 1},
		{"no Service has such a policy", `{type: ClusterIP, externalTrafficPolicy: Sometimes}`, nodePort, 1},
		{"no port is so high", `{type: NodePort, ports: [{protocol: TCP, port: 70000, targetPort: 80}]}`, nodePort, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := texts(service(t, c.spec), c.old); len(got) != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
