#!/bin/sh
# push.sh JOB COMMAND [ARGUMENTS]: runs the command, then pushes when it ended, how long it took and its exit status.
# Ends with the status of the command, whether or not the push succeeds.
#
#   crontab:   15 2 * * *  PUSHGATEWAY_TTL=36h push.sh nightly-backup /usr/local/bin/backup --all
#   CI:        PUSHGATEWAY_URL=http://pushgateway:9753 PUSHGATEWAY_INSTANCE=main ./push.sh ci-build make
#
#   PUSHGATEWAY_URL        address of the gateway; default http://localhost:9753
#   PUSHGATEWAY_INSTANCE   label "instance" of the metrics; default the host name
#   PUSHGATEWAY_TTL        how long the metrics live after this push; default as the gateway is configured
#
# Alert on a job that no longer succeeds:  time() - job_last_success_timestamp_seconds > 2 * 86400
set -u
url=${PUSHGATEWAY_URL:-http://localhost:9753}
instance=${PUSHGATEWAY_INSTANCE:-$(uname -n)}
job=$1
shift

# label NAME VALUE: a label as a part of the path, in base64url if a path cannot hold the value.
label() {
  case $2 in
    '' | . | .. | *[!A-Za-z0-9._-]*)
      printf '/%s@base64/%s' "$1" "$(printf '%s' "$2" | base64 | tr '+/' '-_' | tr -d '=\n')"
      ;;
    *) printf '/%s/%s' "$1" "$2" ;;
  esac
}

started=$(date +%s)
"$@"
status=$?
ended=$(date +%s)

# curl sends a POST, which replaces only these families: after a failure, the time of the last success is kept.
{
  echo '# HELP job_duration_seconds Duration of the job.'
  echo '# TYPE job_duration_seconds gauge'
  echo "job_duration_seconds $((ended - started))"
  echo '# HELP job_exit_status Exit status of the job; 0 is success.'
  echo '# TYPE job_exit_status gauge'
  echo "job_exit_status $status"
  if [ "$status" -eq 0 ]; then
    echo '# HELP job_last_success_timestamp_seconds Unix time of the last success.'
    echo '# TYPE job_last_success_timestamp_seconds gauge'
    echo "job_last_success_timestamp_seconds $ended"
  fi
} | curl -fsS --max-time 30 --retry 3 --data-binary @- ${PUSHGATEWAY_TTL:+-H "Pushgateway-TTL: $PUSHGATEWAY_TTL"} \
  "$url/metrics$(label job "$job")$(label instance "$instance")" >&2 || echo "push.sh: could not push to $url" >&2

exit "$status"
