/** The log: one line per entry on standard error, as logfmt (default) or JSON. */
import { type DestinationStream, type Logger, destination as openDestination, pino } from 'pino';
import type { LogFormat, LogLevel } from './config/config.ts';
import { formatLogfmt } from './logfmt.ts';

export type { Logger } from 'pino';

interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** `destination` receives whole lines. By default they are written to standard error before the call returns. */
export function createLogger({ level, format }: LoggerOptions, destination?: DestinationStream): Logger {
  const sink = destination ?? openDestination({ fd: 2, sync: true });
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'msg',
      errorKey: 'err',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => conceal(unshadowed(fields)),
      },
      serializers: { err: describeError },
    },
    format === 'json' ? sink : { write: (line: string) => sink.write(formatLogfmt(line)) },
  );
  concealBindings(logger);
  return logger;
}

/** pino applies `formatters.bindings` to the root logger only, not to the bindings of child(). */
function concealBindings(logger: Logger): void {
  // A child has its parent as prototype, so this applies to its children as well.
  // oxlint-disable-next-line typescript/unbound-method
  logger.child = new Proxy(logger.child, {
    apply: (child, self, [bindings, ...others]: [Record<string, unknown>]) =>
      Reflect.apply(child, self, [conceal(bindings), ...others]),
  });
}

/** Renames fields that would replace the time or level of the line. */
function unshadowed(fields: Record<string, unknown>): Record<string, unknown> {
  if (!('ts' in fields) && !('level' in fields)) return fields;
  const { ts, level, ...others } = fields;
  return { ...others, field_ts: ts, field_level: level };
}

const SECRET_KEY =
  /^(?:.*passw(?:or)?d|passphrase|.*secret|.*token|.*api[_-]?key|(?:proxy-)?authorization|(?:set-)?cookie)$/i;
/** Nesting limit, deeper than any field that is logged; it also ends cycles. */
const MAX_DEPTH = 5;

/**
 * The fields with secrets replaced; copied only if something changes. pino's `redact` does not suffice: it requires
 * every path in its exact case, and headers come in any case.
 */
function conceal(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  let result = fields;
  for (const [key, value] of Object.entries(fields)) {
    let shown = value;
    if (value !== undefined && value !== '' && SECRET_KEY.test(key)) shown = '<secret>';
    else if (isPlainObject(value)) shown = depth < MAX_DEPTH ? conceal(value, depth + 1) : '…';
    if (shown === value) continue;
    if (result === fields) result = { ...fields };
    result[key] = shown;
  }
  return result;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** pino's own serializer copies every property, and errors of ioredis hold the command with its arguments. */
function describeError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const messages: string[] = [];
  let code: unknown;
  let error: unknown = thrown;
  for (let depth = 0; error instanceof Error && depth <= MAX_DEPTH; depth++) {
    messages.push(error.message);
    code ??= 'code' in error ? error.code : undefined;
    error = error.cause;
  }
  return { type: thrown.name, message: messages.join(': '), code, stack: thrown.stack };
}
