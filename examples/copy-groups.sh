#!/bin/sh
# Copies all groups of one Pushgateway (official or this one) to another, through the query API of the first.
#
#   examples/copy-groups.sh http://old:9091 http://new:9091
#
# Needs curl and python3. Push times are those of the copy; native histograms are left out, as the API does not say them whole.
set -eu

if [ $# -ne 2 ]; then
  echo "usage: $0 FROM TO   (base URLs of two gateways)" >&2
  exit 2
fi

exec python3 - "$1" "$2" <<'PYTHON'
import base64
import json
import sys
import urllib.request

source, target = (url.rstrip('/') for url in sys.argv[1:3])
OWN = ('labels', 'last_push_successful', 'push_time_seconds', 'push_failure_time_seconds')


def escaped(text):
    return text.replace('\\', '\\\\').replace('\n', '\\n')


def series(name, labels, **more):
    pairs = ','.join('%s="%s"' % (key, escaped(value).replace('"', '\\"')) for key, value in {**labels, **more}.items())
    return '%s{%s}' % (name, pairs)


def sample_lines(name, kind, metric):
    labels = metric['labels']
    if kind == 'SUMMARY':
        for quantile, value in metric['quantiles'].items():
            yield '%s %s' % (series(name, labels, quantile=quantile), value)
    elif kind == 'HISTOGRAM':
        if isinstance(metric['buckets'], list):
            return
        for bound, value in metric['buckets'].items():
            yield '%s %s' % (series(name + '_bucket', labels, le=bound), value)
    else:
        yield '%s %s' % (series(name, labels), metric['value'])
        return
    yield '%s %s' % (series(name + '_sum', labels), metric['sum'])
    yield '%s %s' % (series(name + '_count', labels), metric['count'])


def body(group):
    for name, family in group.items():
        if name in OWN or not isinstance(family, dict) or 'metrics' not in family:
            continue
        if family.get('help'):
            yield '# HELP %s %s' % (name, escaped(family['help']))
        yield '# TYPE %s %s' % (name, family['type'].lower())
        for metric in family['metrics']:
            yield from sample_lines(name, family['type'], metric)


def path(labels):
    def part(name, value):
        return '/%s@base64/%s' % (name, base64.urlsafe_b64encode(value.encode()).decode().rstrip('=') or '=')

    return part('job', labels['job']) + ''.join(part(key, value) for key, value in labels.items() if key != 'job')


with urllib.request.urlopen(source + '/api/v1/metrics') as answer:
    groups = json.load(answer)['data'] or []
failed = 0
for group in groups:
    where = path(group['labels'])
    text = ''.join(line + '\n' for line in body(group))
    request = urllib.request.Request(target + '/metrics' + where, data=text.encode(), method='PUT')
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as error:
        failed += 1
        print('%s: %s %s' % (group['labels'], error.code, error.read().decode().strip()), file=sys.stderr)
print('%d groups copied, %d refused' % (len(groups) - failed, failed))
sys.exit(1 if failed else 0)
PYTHON
