package nodeproxy

import (
	"errors"
	"fmt"
	"io"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Cleanup removes from the kernel what a node-proxy leaves there when it ends, in the network namespace of the calling
// thread. Connections that are under way go on.
func Cleanup(out io.Writer) error {
	k, err := nft.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	there, err := k.Exists()
	if err != nil {
		return err
	}
	if !there {
		_, err = fmt.Fprintf(out, "There is no table inet %s: nothing to do.\n", nft.TableName)
		return err
	}
	if err := k.Remove(); err != nil {
		if errors.Is(err, nft.ErrOwned) {
			return errors.New("a node-proxy is running here: end it first")
		}
		return err
	}
	_, err = fmt.Fprintf(out, "The table inet %s is removed.\n", nft.TableName)
	return err
}
