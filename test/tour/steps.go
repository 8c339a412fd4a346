package tour

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// externalIP is the address in config/samples/services/node-port-service.yaml.
const externalIP = "1.2.3.110"

func (g *guide) pools() {
	g.begin("First, the operator says which namespaces may use which numbers")
	g.kubectl("apply -k config/samples")
	g.quietly("waiting for the pools", "kubectl wait --for=condition=Ready npp --all --timeout=30s && "+
		"kubectl wait --for=jsonpath={.status.ports.reserved}=1 npp/default --timeout=30s")
	g.want(g.kubectl("get npp"), `(?m)^registry +30700-30799 +100 `)
}

func (g *guide) chosenNumber() {
	g.step("A Service that asks for no number gets one of its namespace's")
	g.want(g.kubectl("create ns docker-registry"), "namespace/docker-registry created")
	g.want(g.kubectl("apply -f config/samples/services/docker-registry.yaml"), "service/docker-registry-np created")
	g.registryPort = g.registryNumber()
	if !g.Packets {
		return
	}
	g.say("Pods for it, and for the Services below:")
	g.kubectl("apply -f config/samples/backends.yaml")
	g.quietly("waiting for the Pods", "kubectl wait --for=condition=Available -f config/samples/backends.yaml --timeout=90s")
	registry := backend{g.registryPort, "docker-registry-"}
	g.say("Every node answers, with what one of the Pods says:")
	g.curl(g.host(), g.nodeAddress(registry.port), registry.pod)
	g.say("And so it is from every place: the nodes, a client beside them, this host (a number: it answered).")
	g.everyNodeAnswers(registry)
}

// registryNumber shows the Services of namespace docker-registry, and returns the number, which is one of pool
// registry's.
func (g *guide) registryNumber() int32 {
	number := g.want(g.kubectl("get services -n docker-registry"), `docker-registry-np .* 5000:(307\d\d)/TCP`)
	n, _ := strconv.ParseInt(number, 10, 32) // digits, or "" after an error
	return int32(n)
}

func (g *guide) askedNumber() {
	g.step("A number that a Service asks for is its own")
	g.want(g.kubectl("apply -f config/samples/services/podinfo.yaml"), "service/podinfo created")
	g.want(g.kubectl("get service podinfo"), "80:31000/TCP")
	if g.Packets {
		g.everyNodeAnswers(backend{31000, "podinfo-"})
		g.say("Its Pods share the requests:")
		g.shareRequests(g.nodeAddress(31000), "podinfo-")
	}
	g.say("Another Service does not get the number, in this namespace or in another.")
	g.refused("sed s/podinfo/copy/ config/samples/services/podinfo.yaml | kubectl apply -f -",
		`31000: already allocated to Service "podinfo" in this namespace`)
	g.want(g.kubectl("create ns staging"), "namespace/staging created")
	g.refused("kubectl apply -n staging -f config/samples/services/podinfo.yaml",
		`31000: already allocated in another namespace; free now: 310\d\d, 310\d\d, 310\d\d`)
}

func (g *guide) externalIP() {
	g.step("Numbers for the well-known, beside an external IP")
	g.want(g.kubectl("apply -f config/samples/services/node-port-service.yaml"), "service/node-port-service created")
	g.want(g.kubectl("apply -f config/samples/services/my-nodeport-service.yaml"), "service/my-nodeport-service created")
	services := g.kubectl("get services")
	g.want(services, `my-nodeport-service .* 80:30007/TCP`)
	g.want(services, `node-port-service .* 1\.2\.3\.110 +80:30008/TCP`)
	if !g.Packets {
		return
	}
	g.everyNodeAnswers(backend{30007, "my-web-app-"}, backend{30008, "myapp-"})
	g.say("The other way in is the external IP, which the network leads to a node:")
	g.route(externalIP)
	g.curl(g.client(), externalIP, "myapp-")
}

func (g *guide) refusals() {
	g.step("A refusal says which numbers there are")
	g.say("Outside of the cluster's range, it is refused in Kubernetes' own words:")
	g.refused("sed s/30007/8080/ config/samples/services/my-nodeport-service.yaml | kubectl apply -f -",
		`8080: provided port is not in the valid range\. The range of valid ports is 30000-32767`)
	g.say("In another team's range, it is refused with what there is instead:")
	g.refused("sed s/30007/30500/ config/samples/services/my-nodeport-service.yaml | kubectl apply -f -",
		`30500: not in the node port ranges of namespace "default": 30000-30085, 31000-31099; free now: \d+, \d+, \d+`)
}

func (g *guide) sameNumber() {
	g.step("Deleted and made again: the same number")
	g.kubectl("delete -f config/samples/services/docker-registry.yaml")
	g.kubectl("apply -f config/samples/services/docker-registry.yaml")
	if now := g.registryNumber(); now != g.registryPort {
		g.fail("the number was %d, and is %d", g.registryPort, now)
	}
	if g.Packets {
		g.everyNodeAnswers(backend{g.registryPort, "docker-registry-"})
	}
}

func (g *guide) reservation() {
	g.step("A number that is promised waits for its Service")
	g.say("With the pools came a promise of 31080 to Service checkout, which does not exist yet:")
	g.quietly("waiting for the reservation", "kubectl wait --for=condition=Ready npr/checkout --timeout=30s")
	g.want(g.kubectl("get npr"), `(?m)^checkout +checkout +31080 +True +Reserved`)
	g.refused("kubectl create service nodeport other --tcp=80 --node-port=31080",
		`31080: reserved for Service "checkout" in this namespace by NodePortReservation "checkout"`)
	g.kubectl("create service nodeport checkout --tcp=80")
	g.want(g.kubectl("get service checkout"), "80:31080/TCP")
	g.say("It is kept when the Service is gone, for as long as the promise stands:")
	g.kubectl("delete service checkout")
	g.quietly("waiting for the ledger", "kubectl wait --for=condition=Bound=False npa/31080 --timeout=30s")
	g.want(g.kubectl("get npa 31080"), `31080 +(TCP +)?default +checkout +default +Explicit +Reserved`)
}

func (g *guide) quota() {
	g.step("A team gets as many numbers as its pool allows")
	g.want(g.kubectl("create ns sandbox"), "namespace/sandbox created")
	g.kubectl("create service nodeport one --tcp=80 --node-port=30601 -n sandbox")
	g.kubectl("create service nodeport two --tcp=80 --node-port=30602 -n sandbox")
	g.refused("kubectl create service nodeport three --tcp=80 -n sandbox",
		`pool "sandbox" allows 2 node ports in a namespace, 2 are used and 1 more is asked for`)
	g.say("How much it has, and may have, a team can read in its namespace:")
	g.quietly("waiting for the report", "kubectl wait --for=jsonpath={.status.used}=2 npu/sandbox -n sandbox --timeout=30s")
	g.want(g.kubectl("get npu -n sandbox"), `(?m)^sandbox +30600-30619 +2 +2 +False`)
}

func (g *guide) operatorsView() {
	g.step("What operators see")
	g.quietly("waiting for the ledger", "kubectl wait --for=condition=Bound npa/30007 npa/30008 npa/31000 --timeout=30s && "+
		"kubectl wait --for=jsonpath={.status.ports.free}=98 npp/default --timeout=30s && "+
		"kubectl wait --for=jsonpath={.status.ports.bound}=2 npp/sandbox npp/well-known --timeout=30s")
	g.say("How full the pools are:")
	g.want(g.kubectl("get npp"), `(?m)^registry +30700-30799 +100 +1 +0 +99 +True `)
	g.say("Who has which number:")
	ledger := g.kubectl("get npa")
	for _, line := range []string{
		`30007 +TCP +default +my-nodeport-service +well-known +Explicit +InUse`,
		`30008 +TCP +default +node-port-service +well-known +Explicit +InUse`,
		fmt.Sprintf(`%d +TCP +docker-registry +docker-registry-np +registry +Automatic +InUse`, g.registryPort),
		`31000 +TCP +default +podinfo +default +Explicit +InUse`,
	} {
		g.want(ledger, "(?m)^"+line)
	}
	g.say("And what a field of a pool means:")
	g.want(g.kubectl("explain npp.spec.ranges"), regexp.QuoteMeta("ranges"))
}

// stopGrace is how long a manager goes on answering after it was told to stop, and more.
const stopGrace = 30 * time.Second

func (g *guide) withoutManager() {
	g.step("Without Portolan its rules hold, and Services go on")
	g.quietly("waiting for the rules in the API server", "kubectl wait --for=jsonpath={.status.observedGeneration} validatingadmissionpolicy/nodeports.portolan.dev --timeout=30s")
	if g.err != nil {
		return
	}
	g.say("The manager is stopped: nobody answers the webhooks. A number of another team is refused all the same.")
	g.Screen.During("stopping the manager", func() { g.Manager.Stop(stopGrace) })
	g.refused("sed s/30007/30500/ config/samples/services/my-nodeport-service.yaml | kubectl apply -f -",
		`node port 30500: not in the node port ranges of namespace "default": 30000-30085, 31000-31099`)
	g.say("A number of the namespace's own is given by Kubernetes alone.")
	g.want(g.kubectl("create service nodeport alone --tcp=80 --node-port=31050"), "service/alone created")
	g.say("When the manager is back it is in the ledger too.")
	g.Screen.During("starting the manager", func() {
		if err := g.Manager.Restart(g.ctx); err != nil {
			g.fail("start the manager: %w", err)
		}
	})
	g.quietly("waiting for the ledger", "kubectl wait --for=create npa/31050 --timeout=30s && kubectl wait --for=condition=Bound npa/31050 --timeout=30s")
	g.want(g.kubectl("get npa 31050"), `31050 +TCP +default +alone +default +Adopted +InUse`)
}
