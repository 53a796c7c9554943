/**
 * logfmt: `ts=… level=info msg="two words" key=value`. Whatever a value or key holds, it makes no second line and no
 * second pair.
 */

/** From one line of pino's JSON to one line of logfmt. */
export function formatLogfmt(jsonLine: string): string {
  const { ts, level, msg, ...fields } = parseLine(jsonLine);
  let line = `ts=${quoteValue(ts)} level=${quoteValue(level)}`;
  if (msg !== undefined) line += ` msg=${quoteText(wordsOf(msg), true)}`;
  for (const [key, value] of Object.entries(fields)) line += pair(key, value);
  return `${line}\n`;
}

function parseLine(jsonLine: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(jsonLine);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : { msg: jsonLine };
  } catch {
    // Better an odd line than none.
    return { msg: jsonLine };
  }
}

function pair(key: string, value: unknown): string {
  const name = key.replaceAll(/[^\w.@/-]/g, '_') || '_';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ` ${name}=${quoteValue(value)}`;
  if ('stack' in value && 'message' in value) return errorPairs(name, { ...value });
  return Object.entries(value)
    .map(([inner, innerValue]) => pair(`${name}.${inner}`, innerValue))
    .join('');
}

/** The stack is only of use where nobody foresaw the error, that is, where it has no code. */
function errorPairs(name: string, { message, code, stack }: Record<string, unknown>): string {
  const text = ` ${name}=${quoteText(wordsOf(message), true)}`;
  return code === undefined ? `${text} ${name}_stack=${quoteValue(stack)}` : `${text} ${name}_code=${quoteValue(code)}`;
}

function quoteValue(value: unknown): string {
  return quoteText(wordsOf(value), false);
}

function wordsOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Printable ASCII and letters of any script, without blanks and what has a meaning in logfmt. One class: alternatives would backtrack. */
const bare = /^[!#-<>-[\]-~\p{L}]+$/u;

function quoteText(text: string, always: boolean): string {
  if (!always && bare.test(text)) return text;
  // What JSON leaves alone though a terminal may take it for a line end, a command, or a change of direction.
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
