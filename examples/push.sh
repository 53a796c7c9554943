#!/bin/sh
# push.sh JOB COMMAND [ARGUMENTS]: runs the command, and pushes how it went: when it ended, how long it took, with which
# status. Ends with the status of the command; a gateway that is away costs the report, not the job.
#
#   crontab:    15 2 * * *  push.sh nightly-backup /usr/local/bin/backup --all
#   CI:         - PUSHGATEWAY_URL=http://pushgateway:9753 ./push.sh ci-build make
#   forget it after a week instead of never:      PUSHGATEWAY_TTL=168h push.sh …
#
# Alert on a job that stopped coming:  time() - job_last_success_timestamp_seconds > 2 * 86400
set -u
url=${PUSHGATEWAY_URL:-http://localhost:9753}
job=$1
shift

started=$(date +%s)
"$@"
status=$?
ended=$(date +%s)

{
  echo '# HELP job_duration_seconds How long the job took.'
  echo '# TYPE job_duration_seconds gauge'
  echo "job_duration_seconds $((ended - started))"
  echo '# HELP job_exit_status Status the job ended with; 0 is success.'
  echo '# TYPE job_exit_status gauge'
  echo "job_exit_status $status"
  if [ "$status" -eq 0 ]; then
    echo '# HELP job_last_success_timestamp_seconds Unix time of the last success.'
    echo '# TYPE job_last_success_timestamp_seconds gauge'
    echo "job_last_success_timestamp_seconds $ended"
  fi
} | curl -fsS --max-time 30 --retry 3 --data-binary @- ${PUSHGATEWAY_TTL:+-H "Pushgateway-TTL: $PUSHGATEWAY_TTL"} \
  "$url/metrics/job/$job/instance/$(uname -n)" >&2 || echo "push.sh: could not report to $url" >&2
# POST, which curl does here, replaces these families alone: after a failure the time of the last success stays.

exit "$status"
