#!/bin/bash
# Builds thimble and shows it working: a daemon reads handwritten digits. Options go to `thimble demo`.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
targets/install-missing.sh libzstd-dev pkg-config
swift run -c release thimble demo "$@"
