#!/bin/sh
# Copies all groups of one Pushgateway (official or this one) to another, through the query API of the first.
#
#   examples/copy-groups.sh http://old:9091 http://user:password@new:9091
#
# Needs python3. A group that exists at the target is replaced. Push times become those of the copy. Native histograms
# and gauge histograms are left out, because the API does not contain all of them.
set -eu

if [ $# -ne 2 ]; then
  echo "usage: $0 FROM TO   (base URLs of two gateways)" >&2
  exit 2
fi

exec python3 - "$1" "$2" <<'PYTHON'
import base64
import json
import re
import sys
import urllib.error
import urllib.request
from urllib.parse import unquote, urlsplit

OWN = ('labels', 'last_push_successful', 'push_time_seconds', 'push_failure_time_seconds')
left_out = 0


def ask(url, path, **more):
    parts = urlsplit(url)
    host = parts.netloc.rpartition('@')[2]
    request = urllib.request.Request('%s://%s%s%s' % (parts.scheme, host, parts.path.rstrip('/'), path), **more)
    if parts.username is not None:
        login = '%s:%s' % (unquote(parts.username), unquote(parts.password or ''))
        request.add_header('Authorization', 'Basic ' + base64.b64encode(login.encode()).decode())
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def escaped(text):
    return text.replace('\\', '\\\\').replace('\n', '\\n')


def quoted(text):
    return '"%s"' % escaped(text).replace('"', '\\"')


def is_legacy(name):
    return re.fullmatch('[a-zA-Z_:][a-zA-Z0-9_:]*', name) is not None


def shown(name):
    return name if is_legacy(name) else quoted(name)


def series(name, labels, **more):
    pairs = ['%s=%s' % (shown(key), quoted(value)) for key, value in {**labels, **more}.items()]
    return '%s{%s}' % (name, ','.join(pairs)) if is_legacy(name) else '{%s}' % ','.join([quoted(name)] + pairs)


def sample_lines(name, kind, metric):
    global left_out
    labels = metric['labels']
    if kind == 'GAUGE_HISTOGRAM' or isinstance(metric.get('buckets'), list):
        left_out += 1
        return
    if kind == 'SUMMARY':
        for quantile, value in metric['quantiles'].items():
            yield '%s %s' % (series(name, labels, quantile=quantile), value)
    elif kind == 'HISTOGRAM':
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
            yield '# HELP %s %s' % (shown(name), escaped(family['help']))
        yield '# TYPE %s %s' % (shown(name), family['type'].lower())
        for metric in family['metrics']:
            yield from sample_lines(name, family['type'], metric)


def path(labels):
    def part(name, value):
        if not is_legacy(name):
            name = 'U__' + ''.join(
                '__' if char == '_' else char if re.match('[a-zA-Z0-9:]', char) else '_%x_' % ord(char) for char in name)
        return '/%s@base64/%s' % (name, base64.urlsafe_b64encode(value.encode()).decode().rstrip('=') or '=')

    return part('job', labels['job']) + ''.join(part(key, value) for key, value in labels.items() if key != 'job')


source, target = sys.argv[1:3]
groups = json.loads(ask(source, '/api/v1/metrics')).get('data') or []
failed = 0
for group in groups:
    labels = group['labels']
    try:
        if 'metrics' in labels and 'time_stamp' in labels:
            raise ValueError('cannot copy group: a family called "labels" hides its labels')
        text = ''.join(line + '\n' for line in body(group))
        ask(target, '/metrics' + path(labels), data=text.encode(), method='PUT')
    except urllib.error.HTTPError as error:
        failed += 1
        print('%s: %s %s' % (labels, error.code, error.read().decode().strip()), file=sys.stderr)
    except ValueError as error:
        failed += 1
        print('%s: %s' % (labels, error), file=sys.stderr)
if left_out > 0:
    print('%d histograms left out: the API does not contain all of them' % left_out, file=sys.stderr)
print('%d groups copied, %d refused' % (len(groups) - failed, failed))
sys.exit(1 if failed else 0)
PYTHON
