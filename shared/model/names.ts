/**
 * Valid names of metrics and labels. *Legacy* names need no quotes in the text format; with UTF-8 names enabled, any
 * other name is valid, too.
 * https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
 */

const START = 1;
const DIGIT = 2;
const COLON = 4;

/** The class of each ASCII character in legacy names. Other characters have none. */
const classes = new Uint8Array(128);
for (let code = 0x41; code <= 0x5a; code++) classes[code] = classes[code + 0x20] = START; // A-Z, a-z
for (let code = 0x30; code <= 0x39; code++) classes[code] = DIGIT;
classes[0x5f] = START; // _
classes[0x3a] = COLON;

function isOf(code: number, allowed: number): boolean {
  return code < 128 && ((classes[code] ?? 0) & allowed) !== 0;
}

export const isLabelNameStart = (code: number): boolean => isOf(code, START);
export const isLabelNameChar = (code: number): boolean => isOf(code, START | DIGIT);
export const isMetricNameStart = (code: number): boolean => isOf(code, START | COLON);
export const isMetricNameChar = (code: number): boolean => isOf(code, START | DIGIT | COLON);

/** `[a-zA-Z_:][a-zA-Z0-9_:]*` */
export function isLegacyMetricName(name: string): boolean {
  if (name === '' || !isMetricNameStart(name.charCodeAt(0))) return false;
  for (let i = 1; i < name.length; i++) if (!isMetricNameChar(name.charCodeAt(i))) return false;
  return true;
}

/** `[a-zA-Z_][a-zA-Z0-9_]*` */
export function isLegacyLabelName(name: string): boolean {
  if (name === '' || !isLabelNameStart(name.charCodeAt(0))) return false;
  for (let i = 1; i < name.length; i++) if (!isLabelNameChar(name.charCodeAt(i))) return false;
  return true;
}
