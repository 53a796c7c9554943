/** logfmt: `ts=… level=info msg="two words" key=value`. No key or value can add a line or a pair. */

/** Converts a line of pino's JSON to a line of logfmt. */
export function formatLogfmt(jsonLine: string): string {
  const { ts, level, msg, ...fields } = parseLine(jsonLine);
  let line = `ts=${quoteValue(ts)} level=${quoteValue(level)}`;
  if (msg !== undefined) line += ` msg=${quoteText(textOf(msg), true)}`;
  for (const [key, value] of Object.entries(fields)) line += pair(key, value);
  return `${line}\n`;
}

function parseLine(jsonLine: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(jsonLine);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : { msg: jsonLine };
  } catch {
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

/** The stack is logged only for unexpected errors, which have no code. */
function errorPairs(name: string, { message, code, stack }: Record<string, unknown>): string {
  const text = ` ${name}=${quoteText(textOf(message), true)}`;
  return code === undefined ? `${text} ${name}_stack=${quoteValue(stack)}` : `${text} ${name}_code=${quoteValue(code)}`;
}

function quoteValue(value: unknown): string {
  return quoteText(textOf(value), false);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Printable ASCII and letters, without blanks and logfmt's special characters; one class, so it cannot backtrack. */
const BARE = /^[!#-<>-[\]-~\p{L}]+$/u;

function quoteText(text: string, always: boolean): string {
  if (!always && BARE.test(text)) return text;
  return quoteForTerminal(text);
}

/** As JSON, with the characters escaped that a terminal may treat as line ends, commands or changes of direction. */
export function quoteForTerminal(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
