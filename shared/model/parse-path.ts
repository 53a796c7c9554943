/**
 * The grouping labels in the path of a push, as the official gateway reads them (`splitLabels` of its handler/push.go,
 * behind httprouter, which sees the decoded path).
 *
 *     path  = "/" job "/" value { "/" name "/" value } [ "/" ]      a path that ends in a name gives it the empty value
 *     job   = "job" | "job@base64"
 *     name  = label name [ "@base64" ]
 *
 * Percent-encoding is decoded first, so `%2F` separates like `/`; `+` is a plus. Paths with `//` or `..` were
 * redirected before; empty or `..` parts that are found here were percent-encoded.
 * https://github.com/prometheus/pushgateway#url
 */
import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../errors.ts';
import type { LabelPair, Labels } from './metric-family.ts';
import { isLegacyLabelName } from './names.ts';
import { quote } from './quote.ts';
import { decodeBase64Url } from './base64url.ts';
import { sortedUnique } from './labels.ts';
import { unescapeName } from './escaped-name.ts';

const BASE64_SUFFIX = '@base64';

/**
 * `rawPath` is what follows the metrics path in the URL, as it was sent, without the query: `/job/J/name/value`.
 * Returns the labels sorted by name, `job` among them. If a name occurs twice, the last value counts, but for `job` the
 * first. `utf8Names`: label names may be any UTF-8, written as in escaped-name.ts. Throws `path_invalid`.
 */
export function parseGroupingPath(rawPath: string, { utf8Names = false } = {}): Labels {
  const path = decodePath(rawPath);
  const [, keyword = '', job, ...rest] = path.split('/');
  if ((keyword !== 'job' && keyword !== `job${BASE64_SUFFIX}`) || job === undefined) {
    refuse(`path ${quote(path)} does not begin with /job/JOB or /job@base64/JOB`);
  }
  let jobName = job;
  if (keyword !== 'job') {
    const decoded = decodeValue(job);
    if ('reason' in decoded) refuse(`invalid base64 encoding in job name ${quote(job)}: ${decoded.reason}`);
    jobName = decoded.value;
  }
  // In the official order: labels are checked before the job.
  const labels = parseLabels(rest, utf8Names);
  if (jobName === '') refuse('job name is required');
  labels.push(['job', jobName]);
  return sortedUnique(labels);
}

/** `parts`: name, value, name, value … A single empty part is the slash after a path without labels. */
function parseLabels(parts: string[], utf8Names: boolean): LabelPair[] {
  if (parts.length === 1 && parts[0] === '') return [];
  if (parts.length % 2 !== 0) refuse(`odd number of components in label string ${quote(`/${parts.join('/')}`)}`);

  const labels: LabelPair[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const [part = '', value = ''] = parts.slice(i, i + 2);
    const isBase64 = part.endsWith(BASE64_SUFFIX);
    const written = isBase64 ? part.slice(0, -BASE64_SUFFIX.length) : part;
    const name = utf8Names ? unescapeName(written) : written;
    if (name === '' || written.startsWith('__') || !(utf8Names || isLegacyLabelName(name))) {
      refuse(`improper label name ${quote(written)}`);
    }
    if (isBase64) {
      const decoded = decodeValue(value);
      if ('reason' in decoded)
        refuse(`invalid base64 encoding for label ${written}=${quote(value)}: ${decoded.reason}`);
      labels.push([name, decoded.value]);
    } else {
      labels.push([name, value]);
    }
  }
  return labels;
}

/** Throws `path_invalid` for a bad escape, and for bytes that are not UTF-8, because no label may hold them. */
function decodePath(rawPath: string): string {
  if (!rawPath.includes('%')) return rawPath;
  try {
    return decodeURIComponent(rawPath);
  } catch (error) {
    throw badEncoding(rawPath, error);
  }
}

export function badEncoding(path: string, cause: unknown): GatewayError {
  return new GatewayError('path_invalid', `path ${quote(path)} is not valid percent-encoded UTF-8`, { cause });
}

function decodeValue(encoded: string): { value: string } | { reason: string } {
  const bytes = decodeBase64Url(encoded);
  if (typeof bytes === 'string') return { reason: bytes };
  if (!isUtf8(bytes)) return { reason: 'the decoded value is not UTF-8' };
  return { value: bytes.toString('utf8') };
}

function refuse(reason: string): never {
  throw new GatewayError('path_invalid', reason);
}
