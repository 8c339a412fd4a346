package tour

import (
	"fmt"
)

// nodes is about what node-proxy does on them. Where it does nothing there is nothing to show.
func (g *guide) nodes() {
	switch {
	case g.NodeProxy == nil, g.GuardOnly:
	case g.BesideKubeProxy:
		g.handedOver()
	default:
		g.explained()
	}
}

func (g *guide) explained() {
	g.step("A node says in words what it does with a Service")
	g.say("The nodes run node-proxy, in the place of kube-proxy. This is what node-1 does with podinfo:")
	g.want(g.nodeProxyShow("podinfo"), `(?m)^default/podinfo \(NodePort\) is served by this node, node-1\.$`)
	g.say(`In a cluster whose nodes are machines: kubectl exec -n portolan-node POD -- node-proxy show podinfo`)
}

func (g *guide) handedOver() {
	g.step("A Service is handed over to node-proxy by its label")
	g.say("All Services up to here are kube-proxy's. This one has a label that gives it to node-proxy:")
	g.want(g.kubectl("apply -f config/samples/services/podinfo-portolan.yaml"), "service/podinfo-portolan created")
	g.want(g.kubectl("get services -L service.kubernetes.io/service-proxy-name"), `podinfo-portolan .* 80:31010/TCP .* portolan`)
	g.everyNodeAnswers(backend{31010, "podinfo-"})
	g.say("A node says in words what it does with it:")
	g.want(g.nodeProxyShow("podinfo-portolan"), `(?m)^default/podinfo-portolan \(NodePort\) is served by this node, node-1\.$`)
	g.say("And whose the other one is:")
	g.want(g.nodeProxyShow("podinfo"), `^default/podinfo is left to another proxy`)
	g.say(`In a cluster whose nodes are machines: kubectl exec -n portolan-node POD -- node-proxy show podinfo-portolan`)
}

// nodeProxyShow shows what the first node's node-proxy says of a Service.
func (g *guide) nodeProxyShow(service string) string {
	if g.err != nil {
		return ""
	}
	node := g.Cluster.Nodes()[0]
	g.Screen.Command(fmt.Sprintf("ip netns exec %s node-proxy show %s", node.Namespace(), service))
	out, err := g.NodeProxy.Run(node, "show", service)
	g.Screen.Output(out)
	if err != nil {
		g.fail("%w", err)
	}
	return out
}
