/**
 * Kinds of values: from text (a flag, a variable, a YAML scalar) to the value in `Config`, and back for display.
 *
 * `parse` throws GatewayError `config_invalid` with "expected …". The caller adds the setting and the value, because
 * only the caller knows whether the value is a secret.
 */
import { GatewayError } from '../../errors.ts';
import { parseRange, UNIX_CLIENT } from '../values/address-range.ts';
import { formatAddress, parseEndpoints, parseListen } from '../values/address.ts';
import { BYTES_HINT, formatBytes, readBytes } from '../values/bytes.ts';
import type { ListenAddress, RedisEndpoint } from '../config.ts';
import { DURATION_HINT, formatDuration, readDuration } from '../values/duration.ts';

export interface Kind<T> {
  parse(text: string): T;
  format(value: T): string;
  /** A switch: `--flag`, `--no-flag`. */
  readonly isSwitch?: true;
  /** A repeated flag adds its value to the previous ones; otherwise the last one wins. */
  readonly repeatable?: true;
  /** In YAML, a list is accepted as well as one text with commas. */
  readonly list?: true;
  /** The help shows the default in quotes, as kingpin does for texts. */
  readonly quoted?: true;
  /** The help adds these as "One of: […]". */
  readonly choices?: readonly string[];
}

const plain = { format: String };

/** Any text, including ''. */
export const text: Kind<string> = { parse: (value) => value, ...plain, quoted: true };

/** Any text except ''. */
export const requiredText: Kind<string> = { ...text, parse: (value) => (value === '' ? expected('a text') : value) };

/** A text that matches the pattern; `hint` completes "expected …". */
export function matching(pattern: RegExp, hint: string): Kind<string> {
  return { ...text, parse: (value) => (pattern.test(value) ? value : expected(hint)) };
}

export const flag: Kind<boolean> = {
  parse(value) {
    // YAML 1.1, which the predecessor read, has yes and on; in environments 1 is common.
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
      const ms = readDuration(value) ?? expected(DURATION_HINT);
      return fits(ms) ? ms : expected(`a duration ${limit}, such as 30s`);
    },
    format: formatDuration,
  };
}

/** For settings in which 0 is special: off, never, no limit. */
export const duration = durationAbove((ms) => ms >= 0, 'that is not negative');
export const positiveDuration = durationAbove((ms) => ms > 0, 'above 0');

/** At least one byte. */
export const bytes: Kind<number> = {
  parse(value) {
    const count = readBytes(value) ?? expected(BYTES_HINT);
    return count > 0 ? count : expected(`${BYTES_HINT}, above 0`);
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

/** A path of plain segments; anything that a router or a proxy could interpret differently is refused. */
export const urlPath: Kind<string> = {
  ...text,
  parse(value) {
    const plainSegments = /^(?:\/[\w.~@+-]+)+\/?$/.test(value) && !/\/\.\.?(?:\/|$)/.test(value);
    return value === '/' || plainSegments ? value.replace(/(?<=.)\/$/, '') : expected('a path such as /metrics');
  },
};

/** '' or a prefix. As in the official gateway, slashes at either end are ignored. */
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

/** Ranges of client addresses, in CIDR notation, or `unix`. */
export const addressRanges: Kind<readonly string[]> = {
  parse(value) {
    const ranges = value.split(',').flatMap((item) => item.trim() || []);
    const areValid = ranges.every((item) => item === UNIX_CLIENT || parseRange(item) !== undefined);
    return areValid ? ranges : expected('addresses such as 10.0.0.0/8, fd00::/8 or unix, separated by commas');
  },
  format: (ranges) => ranges.join(','),
  repeatable: true,
  list: true,
  quoted: true,
};

/** Host names without ports, in lower case; `*.example.com` for all names below. */
export const hostNames: Kind<readonly string[]> = {
  parse(value) {
    const names = value.split(',').flatMap((item) => item.trim().toLowerCase() || []);
    const areValid = names.every((name) => /^(?:\*\.)?[\w-]+(?:\.[\w-]+)*$/.test(name));
    return areValid ? names : expected('host names such as gateway.example or *.example, without ports');
  },
  format: (names) => names.join(','),
  repeatable: true,
  list: true,
  quoted: true,
};

function expected(hint: string): never {
  throw new GatewayError('config_invalid', `expected ${hint}`);
}
