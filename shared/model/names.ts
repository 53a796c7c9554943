/**
 * What a metric or a label may be called.
 * https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
 */

const START = 1;
const DIGIT = 2;
const COLON = 4;

/** What each ASCII character may be in a name; everything else may be nothing. */
const CLASS = new Uint8Array(128);
for (let code = 0x41; code <= 0x5a; code++) CLASS[code] = CLASS[code + 0x20] = START; // A-Z, a-z
for (let code = 0x30; code <= 0x39; code++) CLASS[code] = DIGIT;
CLASS[0x5f] = START; // _
CLASS[0x3a] = COLON;

function has(code: number, classes: number): boolean {
  return code < 128 && ((CLASS[code] ?? 0) & classes) !== 0;
}

export const isLabelNameStart = (code: number): boolean => has(code, START);
export const isLabelNameChar = (code: number): boolean => has(code, START | DIGIT);
export const isMetricNameStart = (code: number): boolean => has(code, START | COLON);
export const isMetricNameChar = (code: number): boolean => has(code, START | DIGIT | COLON);

/** `[a-zA-Z_:][a-zA-Z0-9_:]*`: needs no quotes in the text format. */
export function isLegacyMetricName(name: string): boolean {
  if (name === '' || !isMetricNameStart(name.charCodeAt(0))) return false;
  for (let i = 1; i < name.length; i++) if (!isMetricNameChar(name.charCodeAt(i))) return false;
  return true;
}

/** `[a-zA-Z_][a-zA-Z0-9_]*`. */
export function isLegacyLabelName(name: string): boolean {
  if (name === '' || !isLabelNameStart(name.charCodeAt(0))) return false;
  for (let i = 1; i < name.length; i++) if (!isLabelNameChar(name.charCodeAt(i))) return false;
  return true;
}
