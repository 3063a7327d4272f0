// The Gateway API's definitions, as config/crd/standard of its module has them: nothing is built.
module loghub.dev/harness/gateway-api

go 1.21

require sigs.k8s.io/gateway-api v1.2.1
