/**
 * Kinds of values: from text (a flag, a variable, a YAML scalar) to what `Config` holds, and back for display.
 *
 * `parse` throws GatewayError `config_invalid` with "expected …"; the caller says which setting and quotes the
 * value, because only it knows whether the value is a secret.
 */
import { GatewayError } from '../../errors.ts';
import { formatAddress, parseEndpoints, parseListen } from '../values/address.ts';
import { bytesHint, formatBytes, readBytes } from '../values/bytes.ts';
import type { ListenAddress, RedisEndpoint } from '../config.ts';
import { durationHint, formatDuration, readDuration } from '../values/duration.ts';

export interface Kind<T> {
  parse(text: string): T;
  format(value: T): string;
  /** A switch: `--flag`, `--no-flag`. */
  readonly isSwitch?: true;
  /** The flag may be repeated, each value is added; otherwise the last one wins. */
  readonly repeatable?: true;
  /** In YAML a list may be given as well as one text with commas. */
  readonly list?: true;
  /** Help shows the default in quotes, as kingpin does for texts. */
  readonly quoted?: true;
  /** Help adds these as "One of: […]". */
  readonly choices?: readonly string[];
}

const plain = { format: String };

/** Any text; may be empty. */
export const text: Kind<string> = { parse: (value) => value, ...plain, quoted: true };

/** A text that cannot be empty, for example a directory. */
export const requiredText: Kind<string> = { ...text, parse: (value) => (value === '' ? expected('a text') : value) };

/** A text of a certain shape; `hint` completes "expected …". */
export function shaped(shape: RegExp, hint: string): Kind<string> {
  return { ...text, parse: (value) => (shape.test(value) ? value : expected(hint)) };
}

export const flag: Kind<boolean> = {
  parse(value) {
    // YAML 1.1, which the predecessor read, has yes and on; environments have 1.
    if (/^(true|yes|on|1)$/i.test(value)) return true;
    if (/^(false|no|off|0)$/i.test(value)) return false;
    return expected('true or false');
  },
  ...plain,
  isSwitch: true,
};

export function integer(min: number, max: number): Kind<number> {
  const hint = `a whole number from ${min} to ${max}`;
  return {
    parse(value) {
      const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
      return number >= min && number <= max ? number : expected(hint);
    },
    ...plain,
  };
}

function durationAbove(fits: (ms: number) => boolean, limit: string): Kind<number> {
  return {
    parse(value) {
      const ms = readDuration(value) ?? expected(durationHint);
      return fits(ms) ? ms : expected(`a duration ${limit}, such as 30s`);
    },
    format: formatDuration,
  };
}

/** Zero has a meaning of its own (off, never, no limit). */
export const duration = durationAbove((ms) => ms >= 0, 'that is not negative');
export const positiveDuration = durationAbove((ms) => ms > 0, 'above 0');

/** At least one byte. */
export const bytes: Kind<number> = {
  parse(value) {
    const count = readBytes(value) ?? expected(bytesHint);
    return count > 0 ? count : expected(`${bytesHint}, above 0`);
  },
  format: formatBytes,
};

export function oneOf<T extends string>(...choices: readonly T[]): Kind<T> {
  return {
    parse: (value) => choices.find((choice) => choice === value) ?? expected(`one of ${choices.join(', ')}`),
    ...plain,
    choices,
  };
}

/** A path of plain segments: what a router or a proxy might read otherwise is refused. */
export const urlPath: Kind<string> = {
  ...text,
  parse(value) {
    const plainSegments = /^(?:\/[\w.~@+-]+)+\/?$/.test(value) && !/\/\.\.?(?:\/|$)/.test(value);
    return value === '/' || plainSegments ? value.replace(/(?<=.)\/$/, '') : expected('a path such as /metrics');
  },
};

/** '' or a prefix as the official gateway reads it: slashes at either end do not matter. */
export const routePrefix: Kind<string> = {
  ...text,
  parse(value) {
    const trimmed = value.replace(/^\/+|\/+$/g, '');
    return trimmed === '' ? value && '/' : urlPath.parse(`/${trimmed}`);
  },
};

export const externalUrl: Kind<string> = {
  ...text,
  parse(value) {
    if (value === '' || /^\/[^/]/.test(value)) return value;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    const usable = url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
    return usable ? value : expected('a URL such as https://example.com/pushgateway, without user and password');
  },
};

export const listenAddresses: Kind<readonly ListenAddress[]> = {
  parse: parseListen,
  format: (addresses) => addresses.map(formatAddress).join(','),
  repeatable: true,
  list: true,
  quoted: true,
};

export const redisEndpoints: Kind<readonly RedisEndpoint[]> = {
  parse: (value) => parseEndpoints(value).endpoints,
  format: (endpoints) => endpoints.map(formatAddress).join(','),
  list: true,
  quoted: true,
};

function expected(hint: string): never {
  throw new GatewayError('config_invalid', `expected ${hint}`);
}
