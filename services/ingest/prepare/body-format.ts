/** Which format a push's Content-Type names. As the official gateway: whatever is not exactly delimited protobuf is text. */
import type { Config } from '../../../shared/config/config.ts';
import type { BodyFormat } from './decode-body.ts';

export function bodyFormat(config: Config, contentType: string | undefined): BodyFormat {
  const utf8 = config.push.enableUtf8Names;
  if (contentType !== undefined && isDelimitedProtobuf(contentType)) return utf8 ? 'protobuf-utf8' : 'protobuf';
  return utf8 ? 'text-utf8' : 'text';
}

function isDelimitedProtobuf(contentType: string): boolean {
  const [mediaType = '', ...parameters] = contentType.split(';');
  if (mediaType.trim().toLowerCase() !== 'application/vnd.google.protobuf') return false;
  const values = new Map<string, string>();
  for (const parameter of parameters) {
    const match = /^\s*([^\s=]+)\s*=\s*(?:"([^"]*)"|([^\s"]+))\s*$/.exec(parameter);
    // A blank parameter is allowed at the end; anything else that is not `name=value` spoils the whole.
    if (match === null) {
      if (parameter.trim() === '') continue;
      return false;
    }
    values.set(String(match[1]).toLowerCase(), match[2] ?? match[3] ?? '');
  }
  return values.get('proto') === 'io.prometheus.client.MetricFamily' && values.get('encoding') === 'delimited';
}
