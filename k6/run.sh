#!/bin/sh
# `make k6`: runs the scripts of this folder one after the other, each with its thresholds; ends with status 1 if one of
# them was missed. They run against TARGET, or else against a gateway with an embedded Redis that is started and stopped
# here. SCRIPTS="push burst" selects some. README.md lists the other variables.
set -u
cd "$(dirname "$0")/.." || exit 1

k6=$(command -v k6) || k6=$PWD/.cache/bin/k6
if [ ! -x "$k6" ]; then
  if ! command -v go >/dev/null 2>&1; then
    echo "cannot find k6, nor Go to build it: see https://grafana.com/docs/k6 for the installation" >&2
    exit 1
  fi
  echo "building k6 (once, takes some minutes)"
  GOBIN=$PWD/.cache/bin go install go.k6.io/k6@latest || exit 1
fi
"$k6" version

gateway=
folder=
finish() {
  [ -z "$gateway" ] || { kill "$gateway" 2>/dev/null && wait "$gateway"; }
  [ -z "$folder" ] || rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [ -z "${TARGET:-}" ]; then
  folder=$(mktemp -d)
  port=${K6_GATEWAY_PORT:-19753}
  TARGET=http://127.0.0.1:$port
  export TARGET
  ./pushgateway --port="$port" --redis.embedded --data.dir="$folder" >"$folder/gateway.log" 2>&1 &
  gateway=$!
  tries=0
  until curl -fsS "$TARGET/-/ready" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if ! kill -0 "$gateway" 2>/dev/null || [ $tries -gt 150 ]; then
      echo "cannot start the gateway on $TARGET:" >&2
      tail -n 20 "$folder/gateway.log" >&2
      exit 1
    fi
    sleep 0.2
  done
fi

status=0
for script in ${SCRIPTS:-push scrape burst}; do
  echo "=== k6/$script.js against $TARGET"
  "$k6" run --quiet --no-usage-report "k6/$script.js" || status=1
done
exit $status
