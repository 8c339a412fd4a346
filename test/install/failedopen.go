package install

import (
	"bufio"
	"context"
	"strconv"
	"strings"

	"k8s.io/client-go/kubernetes"
)

// FailedOpen is how many requests the API server has let past our webhooks because they did not answer.
func (i *Installation) FailedOpen(ctx context.Context) (count float64, err error) {
	admin, err := kubernetes.NewForConfig(i.Cluster.Config())
	if err != nil {
		return 0, err
	}
	metrics, err := admin.RESTClient().Get().AbsPath("/metrics").Stream(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = metrics.Close() }()
	lines := bufio.NewScanner(metrics)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "apiserver_admission_webhook_fail_open_count{") && strings.Contains(line, "portolan") {
			value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, err
			}
			count += value
		}
	}
	return count, lines.Err()
}
