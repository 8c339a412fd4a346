// Package health answers those who ask whether this node should have connections sent to it.
//
//	Proxy     /healthz   should load balancers choose this node? not when it is about to go
//	          /livez     is this proxy at work? or should it be started again
//	Services  the healthCheckNodePort of each Service that has one: has this node endpoints of it?
//
// Codes, headers and bodies are those of kube-proxy 1.36 (pkg/proxy/healthcheck), whose clients cannot tell the two
// apart. Everything here may be called concurrently.
package health
