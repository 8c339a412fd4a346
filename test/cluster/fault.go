package cluster

import "context"

// StopAPIServer asks the API server to end and kills it after two seconds; StartAPIServer brings it back at the same address. Everything else
// keeps running meanwhile, as it would on real nodes.
func (c *Cluster) StopAPIServer() { c.apiServer.stop(stopGrace) }

// StartAPIServer starts a stopped API server and returns when it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	if err := c.apiServer.start(); err != nil {
		return err
	}
	return c.apiServer.await(ctx, c.checkAPIServer)
}

// RestartAPIServer is StopAPIServer and StartAPIServer.
func (c *Cluster) RestartAPIServer(ctx context.Context) error {
	c.StopAPIServer()
	return c.StartAPIServer(ctx)
}

// KillAPIServer ends the API server without notice, in the middle of whatever it does. StartAPIServer brings it back.
func (c *Cluster) KillAPIServer() { c.apiServer.stop(0) }

// StopEtcd asks etcd to end and kills it after two seconds: the API server stays up and fails requests. StartEtcd brings it back.
func (c *Cluster) StopEtcd() { c.etcd.stop(stopGrace) }

// KillEtcd ends etcd without notice. StartEtcd brings it back, with all that it has answered for.
func (c *Cluster) KillEtcd() { c.etcd.stop(0) }

// StartEtcd starts a stopped etcd with its data and returns when it is healthy.
func (c *Cluster) StartEtcd(ctx context.Context) error {
	if err := c.etcd.start(); err != nil {
		return err
	}
	return c.etcd.await(ctx, c.checkEtcd)
}

// RestartEtcd is StopEtcd and StartEtcd, and returns when the API server is ready again too.
func (c *Cluster) RestartEtcd(ctx context.Context) error {
	c.StopEtcd()
	if err := c.StartEtcd(ctx); err != nil {
		return err
	}
	return c.apiServer.await(ctx, c.checkAPIServer)
}

func (c *Cluster) checkAPIServer(ctx context.Context) error {
	return get(ctx, c.https, c.url+"/readyz")
}
