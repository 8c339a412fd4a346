package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// MountSecret keeps the files in dir in step with a Secret, one file a key, as a kubelet does for a Secret volume:
// readers see either the old files or the new ones, never a mixture. It returns when dir, which it makes if needed, holds
// the Secret as it is now; dir is empty while there is none (an "optional" volume). It goes on until Stop.
func (c *Cluster) MountSecret(ctx context.Context, namespace, name, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(c.admin, 0,
		informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
		}))
	informer := factory.Core().V1().Secrets().Informer()
	write := func(data map[string][]byte) {
		if err := writeVolume(dir, data); err != nil {
			c.logf("Secret %s/%s in %s: %v", namespace, name, dir, err)
		}
	}
	handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(now any) { write(now.(*corev1.Secret).Data) },
		UpdateFunc: func(_, now any) { write(now.(*corev1.Secret).Data) },
		DeleteFunc: func(any) { write(nil) },
	})
	if err != nil {
		return err
	}
	factory.Start(c.running.Done())
	c.background.Go(func() {
		<-c.running.Done()
		factory.Shutdown()
	})
	if !cache.WaitForCacheSync(ctx.Done(), handler.HasSynced) {
		return fmt.Errorf("reading Secret %s/%s: %w", namespace, name, context.Cause(ctx))
	}
	return nil
}

const currentData = "..data"

// writeVolume makes dir show data. The layout is a kubelet's: each key is a link to ..data/<key>, and ..data is a link to
// a directory of its own for each version, replaced by one rename.
func writeVolume(dir string, data map[string][]byte) error {
	version, err := os.MkdirTemp(dir, "..version-")
	if err != nil {
		return err
	}
	for key, value := range data {
		if err := os.WriteFile(filepath.Join(version, key), value, 0o600); err != nil {
			return err
		}
	}
	old, _ := os.Readlink(filepath.Join(dir, currentData))
	if err := relink(filepath.Base(version), filepath.Join(dir, currentData)); err != nil {
		return err
	}
	for key := range data {
		if err := relink(filepath.Join(currentData, key), filepath.Join(dir, key)); err != nil {
			return err
		}
	}
	err = removeOthers(dir, slices.Collect(maps.Keys(data)))
	if old != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, old)))
	}
	return err
}

// relink makes path a link to target, replacing what is there at once.
func relink(target, path string) error {
	if err := os.Remove(path + ".new"); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Symlink(target, path+".new"); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// removeOthers removes the links of keys that are no more.
func removeOthers(dir string, keys []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || filepath.Dir(target) != currentData || slices.Contains(keys, e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
