/** Whether a Content-Type names delimited protobuf. Anything else is read as text, as by the official gateway. */
export function isProtobuf(contentType = ''): boolean {
  const [mediaType = '', ...parameters] = contentType.split(';');
  if (mediaType.trim().toLowerCase() !== 'application/vnd.google.protobuf') return false;
  const values = new Map<string, string>();
  for (const parameter of parameters) {
    const match = /^\s*([^\s=]+)\s*=\s*(?:"([^"]*)"|([^\s"]+))\s*$/.exec(parameter);
    if (match !== null) values.set(String(match[1]).toLowerCase(), match[2] ?? match[3] ?? '');
    // A blank parameter is allowed at the end. Anything else makes the whole header invalid.
    else if (parameter.trim() !== '') return false;
  }
  return values.get('proto') === 'io.prometheus.client.MetricFamily' && values.get('encoding') === 'delimited';
}
