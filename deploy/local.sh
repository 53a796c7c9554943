#!/bin/sh
# local.sh start|stop redis|prometheus: starts or stops a Redis or a Prometheus for experiments on this machine. `make
# start-redis`, `make stop-redis`, `make start-prom` and `make stop-prom` call it. If a Docker engine answers, the
# service runs in a container, otherwise as a local process with its data, log and pid file under DATA_DIR/local. To
# start a service that runs, or to stop one that does not, changes nothing.
set -eu
cd "$(dirname "$0")/.."

PORT=${PORT:-9753}
REDIS_PORT=${REDIS_PORT:-6379}
PROM_PORT=${PROM_PORT:-9090}
DATA_DIR=${DATA_DIR:-data}

action=${1:-}
service=${2:-}
container=pushgateway-$service
mkdir -p "$DATA_DIR/local/$service"
folder=$(cd "$DATA_DIR/local/$service" && pwd)
pid_file=$folder/pid

case $service in
  redis) program=redis-server url=127.0.0.1:$REDIS_PORT ;;
  prometheus) program=prometheus url=http://127.0.0.1:$PROM_PORT ;;
  *) echo "unknown service: $service" >&2 && exit 2 ;;
esac

# The image of a service as docker-compose.yml pins it.
image_of() {
  sed -n "s|^ *image: *\\($1:.*\\)|\\1|p" docker-compose.yml
}

docker_answers() {
  command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1
}

# Prints the pid of the local process; fails if there is none, or if the pid belongs to another program by now.
local_pid() {
  [ -s "$pid_file" ] || return 1
  pid=$(cat "$pid_file")
  case $(cat "/proc/$pid/comm" 2>/dev/null || ps -p "$pid" -o comm= 2>/dev/null) in
    *"$program"*) echo "$pid" ;;
    *) return 1 ;;
  esac
}

# Writes examples/prometheus.yml with the address of the gateway as Prometheus reaches it.
write_prometheus_config() {
  sed "s/localhost:9753/$1:$PORT/" examples/prometheus.yml >"$folder/prometheus.yml"
}

start_container() {
  if [ -n "$(docker ps -q -f "name=^$container\$")" ]; then
    echo "$service is running already: $url"
    return
  fi
  docker rm -f "$container" >/dev/null 2>&1 || true
  case $service in
    redis)
      docker run -d --name "$container" -p "127.0.0.1:$REDIS_PORT:6379" -v pushgateway-redis:/data "$(image_of redis)" \
        redis-server --appendonly yes --maxmemory-policy noeviction >/dev/null
      ;;
    prometheus)
      write_prometheus_config host.docker.internal
      docker run -d --name "$container" -p "127.0.0.1:$PROM_PORT:9090" --add-host=host.docker.internal:host-gateway \
        -v "$folder/prometheus.yml:/etc/prometheus/prometheus.yml:ro" "$(image_of prom/prometheus)" >/dev/null
      ;;
  esac
  echo "$service is running in the container $container: $url"
}

start_process() {
  if pid=$(local_pid); then
    echo "$service is running already, pid $pid: $url"
    return
  fi
  .ci/install-tools "$program"
  case $service in
    redis)
      set -- --port "$REDIS_PORT" --bind 127.0.0.1 --dir "$folder" --appendonly yes --maxmemory-policy noeviction
      ;;
    prometheus)
      write_prometheus_config localhost
      set -- --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder" --web.listen-address="127.0.0.1:$PROM_PORT"
      ;;
  esac
  : >"$folder/$service.log"
  nohup "$program" "$@" >"$folder/$service.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$pid_file"
  # Wait until its log reports that it is ready. If the port is in use, the process ends instead.
  tries=0
  until grep -q -e 'Ready to accept connections' -e 'Server is ready to receive web requests' "$folder/$service.log"; do
    tries=$((tries + 1))
    if ! kill -0 "$pid" 2>/dev/null || [ $tries -gt 150 ]; then
      echo "cannot start $service on $url, the end of $folder/$service.log:" >&2
      tail -n 5 "$folder/$service.log" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "$service is running, pid $pid: $url (log: $folder/$service.log)"
}

stop_container() {
  if docker rm -f "$container" 2>/dev/null | grep -q .; then
    echo "$service stopped"
  else
    echo "$service was not running"
  fi
}

stop_process() {
  if ! pid=$(local_pid); then
    echo "$service was not running"
    rm -f "$pid_file"
    return
  fi
  kill "$pid"
  tries=0
  while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -le 150 ] || { echo "cannot stop $service: pid $pid is still running" >&2 && exit 1; }
    sleep 0.1
  done
  rm -f "$pid_file"
  echo "$service stopped"
}

case $action in
  start)
    if docker_answers; then start_container; else start_process; fi
    ;;
  stop)
    # As a local process or as a container, depending on how it was started.
    if local_pid >/dev/null || ! docker_answers; then stop_process; else stop_container; fi
    ;;
  *) echo "usage: $0 start|stop redis|prometheus" >&2 && exit 2 ;;
esac
