/** Logs go to standard error, one line each, as logfmt (default) or JSON. */
import { type DestinationStream, type Logger, destination as openDestination, pino } from 'pino';
import type { LogFormat, LogLevel } from './config/config.ts';
import { formatLogfmt } from './logfmt.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** `destination` receives whole lines; without it they are written to standard error before the call returns. */
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

/** pino applies `formatters.bindings` to the first logger only, not to what `child` is given. */
function concealBindings(logger: Logger): void {
  // Children have their parent as prototype, so this holds for theirs too.
  // oxlint-disable-next-line typescript/unbound-method
  logger.child = new Proxy(logger.child, {
    apply: (child, self, [bindings, ...others]: [Record<string, unknown>]) =>
      Reflect.apply(child, self, [conceal(bindings), ...others]),
  });
}

/** A field may not pass for the line's own time or level. */
function unshadowed(fields: Record<string, unknown>): Record<string, unknown> {
  if (!('ts' in fields) && !('level' in fields)) return fields;
  const { ts, level, ...others } = fields;
  return { ...others, field_ts: ts, field_level: level };
}

const secretKey =
  /^(?:.*passw(?:or)?d|passphrase|.*secret|.*token|.*api[_-]?key|(?:proxy-)?authorization|(?:set-)?cookie)$/i;
/** Deeper than anything we log; also what ends a cycle. */
const maxDepth = 5;

/**
 * The fields with secrets replaced, copied only where something changes. Own code, because pino's `redact` wants
 * every path spelled out, letter case included, and headers come in any.
 */
function conceal(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  let result = fields;
  for (const [key, value] of Object.entries(fields)) {
    let shown = value;
    if (value !== undefined && value !== '' && secretKey.test(key)) shown = '<secret>';
    else if (isPlainObject(value)) shown = depth < maxDepth ? conceal(value, depth + 1) : '…';
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

/** pino's own serializer copies every property, and those of ioredis hold the command with its arguments. */
function describeError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const messages: string[] = [];
  let code: unknown;
  let error: unknown = thrown;
  for (let depth = 0; error instanceof Error && depth <= maxDepth; depth++) {
    messages.push(error.message);
    code ??= 'code' in error ? error.code : undefined;
    error = error.cause;
  }
  return { type: thrown.name, message: messages.join(': '), code, stack: thrown.stack };
}
