package k8s

import (
	"fmt"

	"k8s.io/client-go/dynamic"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Client speaks to the API server.
type Client struct {
	Core    corev1client.CoreV1Interface
	Dynamic dynamic.Interface // of our own kind of objects, and nothing else
}

// Connect makes a client with the rights of the pod's ServiceAccount, or of a
// kubeconfig file if one is named. It does not wait for the API server.
func Connect(kubeconfig, userAgent string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	return connect(config, userAgent)
}

func connect(config *rest.Config, userAgent string) (*Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = userAgent
	// A node of 110 pods may begin a watch for each at once.
	config.QPS, config.Burst = 50, 300
	d, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return &Client{Core: core, Dynamic: d}, nil
}
