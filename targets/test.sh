#!/bin/bash
# Builds everything and runs the tests. Options go to `swift test`.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
targets/install-missing.sh libzstd-dev pkg-config
swift test "$@"
