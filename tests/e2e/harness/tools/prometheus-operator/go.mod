// The Prometheus operator's definitions, as example/prometheus-operator-crd of its module has them: nothing is built.
module loghub.dev/harness/prometheus-operator

go 1.21

require github.com/prometheus-operator/prometheus-operator v0.79.2
