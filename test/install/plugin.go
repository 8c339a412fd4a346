package install

import (
	"fmt"
	"os"
)

// PluginName is what kubectl looks for on the PATH when it is asked for `kubectl portolan`.
const PluginName = "kubectl-portolan"

// Plugin is the path of kubectl's plugin: the program of that name beside the running one, else in bin of the checkout.
func Plugin() (string, error) {
	program := findProgram(PluginName)
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("the plugin is not built: %w: run `make bin/%s`", err, PluginName)
	}
	return program, nil
}
