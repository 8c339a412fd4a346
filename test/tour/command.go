package tour

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
)

// run runs a command line in a shell, where kubectl is the cluster's and finds the plugin, and returns all that it printed.
func (g *guide) run(line string) (string, error) {
	kubectl := g.Cluster.Kubectl(g.ctx)
	cmd := exec.CommandContext(g.ctx, "sh", "-c", line)
	cmd.Dir = g.Root
	cmd.Env = append(kubectl.Env, "PATH="+filepath.Dir(kubectl.Path)+":"+filepath.Dir(g.Plugin)+":"+os.Getenv("PATH"))
	// A process group of its own, so that nothing of it is left when the context ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// show runs a command line and shows it.
func (g *guide) show(line string) (string, error) {
	g.Screen.Command(line)
	out, err := g.run(line)
	g.Screen.Output(out)
	return out, err
}

// kubectl shows a command that succeeds.
func (g *guide) kubectl(args string) string {
	if g.err != nil {
		return ""
	}
	out, err := g.show("kubectl " + args)
	if err != nil {
		g.fail("kubectl %s: %w", args, err)
	}
	return out
}

// refused shows a command that fails, with a message that the pattern matches.
func (g *guide) refused(line, pattern string) {
	if g.err != nil {
		return
	}
	out, err := g.show(line)
	if err == nil {
		g.fail("%s: should have been refused", line)
	}
	g.want(out, pattern)
}

// quietly runs a command that a reader need not see.
func (g *guide) quietly(what, line string) {
	if g.err != nil {
		return
	}
	g.Screen.During(what, func() {
		if out, err := g.run(line); err != nil {
			g.fail("%s: %w\n%s", line, err, out)
		}
	})
}

// want holds what was printed against a pattern and returns what the pattern's group, if it has one, has matched.
func (g *guide) want(out, pattern string) string {
	if g.err != nil {
		return ""
	}
	match := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if match == nil {
		g.fail("this does not match %s:\n%s", pattern, out)
		return ""
	}
	return match[len(match)-1]
}
