package tour

import "fmt"

// mapRow is how many numbers the plugin has on a line at a width of 80.
const mapRow = 50

// plugin is about kubectl portolan, which knows all that is told above.
func (g *guide) plugin() {
	g.step("kubectl portolan has it all at a glance")
	g.say("It is a plugin of kubectl. The whole range, fifty numbers a line:")
	chart := g.kubectl("portolan map")
	g.want(chart, `(?m)^31000 #-.* default$`)
	g.want(chart, fmt.Sprintf(`(?m)^%d .*#`, g.registryPort-g.registryPort%mapRow))
	g.say("All there is to tell of one number:")
	g.want(g.kubectl("portolan who 31000"), `^31000 is in use by Service default/podinfo\.\n`)
	if !g.Packets {
		return
	}
	nodes := len(g.Cluster.Nodes())
	g.say("And whether it answers, as seen from here:")
	g.want(g.kubectl("portolan check podinfo"), fmt.Sprintf(`^Service default/podinfo answers everywhere: %d of %d attempts\.\n`, nodes, nodes))
}
