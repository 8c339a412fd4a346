package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// nodePortsKey is where the API server's own allocator keeps what it has given out.
const nodePortsKey = "/registry/ranges/servicenodeports"

// NativelyAllocated reads from etcd which node ports the API server's own allocator takes for allocated, ascending. A
// number among them that no Service has is leaked: it is given to nobody until the API server's repair has found it
// idle three times, three minutes apart.
func (c *Cluster) NativelyAllocated(ctx context.Context) ([]int32, error) {
	resp, err := c.askEtcd(ctx, c.etcdClient, "/v3/kv/range", map[string][]byte{"key": []byte(nodePortsKey)})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		KVs []etcdKV `json:"kvs"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("etcd's answer for %s (%s): %w", nodePortsKey, resp.Status, err)
	}
	if len(answer.KVs) == 0 {
		return nil, nil
	}
	return allocated(answer.KVs[0].Value)
}

// allocated are the numbers of a stored RangeAllocation.
func allocated(stored []byte) ([]int32, error) {
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(stored, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", nodePortsKey, err)
	}
	allocation, ok := object.(*corev1.RangeAllocation)
	if !ok {
		return nil, fmt.Errorf("%s is a %T", nodePortsKey, object)
	}
	var from, to int32
	if _, err := fmt.Sscanf(allocation.Range, "%d-%d", &from, &to); err != nil {
		return nil, fmt.Errorf("range of %s: %w", nodePortsKey, err)
	}
	var numbers []int32
	bits := new(big.Int).SetBytes(allocation.Data)
	for i := range bits.BitLen() {
		if bits.Bit(i) == 1 {
			numbers = append(numbers, from+int32(i))
		}
	}
	return numbers, nil
}
