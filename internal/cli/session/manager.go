package session

import "github.com/spf13/pflag"

// ManagerName is the name of the manager's Deployment, as config/default has it.
const ManagerName = "portolan-controller-manager"

// ManagerNamespace adds the flag for the namespace that the manager is in.
func ManagerNamespace(flags *pflag.FlagSet, namespace *string) {
	flags.StringVar(namespace, "portolan-namespace", "portolan-system", "The `namespace` of Portolan's manager.")
}
