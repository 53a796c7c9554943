/**
 * Selectors on the labels of groups, written as in PromQL:
 *
 *     selector = "{" [ matchers ] "}" | matchers
 *     matchers = matcher { "," matcher } [ "," ]
 *     matcher  = name ( "=" | "!=" | "=~" | "!~" ) string
 *     name     = label name | string
 *     string   = as in Go: in double quotes or single quotes with escapes, or in backticks without
 *
 * A missing label matches as an empty one. Patterns are anchored at both ends (selector-pattern.ts, pattern-matcher.ts).
 *
 * https://prometheus.io/docs/prometheus/latest/querying/basics/#instant-vector-selectors
 */
import { GatewayError } from '../../../shared/errors.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { quote, quoteCharAt } from '../../../shared/model/quote.ts';
import { simpleTest } from './selector-pattern.ts';

/** Tests one value at once. */
interface SimpleMatcher {
  readonly name: string;
  readonly matches: (value: string) => boolean;
}

/** A regular expression that needs the engine. */
export interface EngineMatcher {
  readonly name: string;
  readonly pattern: string;
  readonly isNegated: boolean;
  /** The error if the pattern cannot be used, with what would be right, and why. */
  readonly refused: (expected: string, reason: string) => GatewayError;
}

/** Selects a group if all matchers match. */
export interface Selector {
  readonly simple: readonly SimpleMatcher[];
  readonly engine: readonly EngineMatcher[];
}

const MAX_LENGTH = 2_000;

/** Throws GatewayError `request_invalid`, with what was expected and at which character (from 1). */
export function parseSelector(text: string): Selector {
  if (text.length > MAX_LENGTH) throw invalid(text, `expected no more than ${MAX_LENGTH} characters`);
  return new SelectorParser(text).parse();
}

/** Whether the matchers that need no engine match. */
export function matchesSimply(labels: Labels, { simple }: Selector): boolean {
  return simple.every(({ name, matches }) => matches(valueOf(labels, name)));
}

export function valueOf(labels: Labels, name: string): string {
  return labels.find(([label]) => label === name)?.[1] ?? '';
}

const WHITE_SPACE = /\s*/y;
const LABEL_NAME = /[a-zA-Z_]\w*/y;
const OPERATOR = /=~|!~|!=|=/y;
const STRING = /"(?<double>(?:[^"\\\n]|\\.)*)"|'(?<single>(?:[^'\\\n]|\\.)*)'|`(?<raw>[^`]*)`/y;
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\'"]))|\\/g;
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

class SelectorParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Selector {
    const braces = this.#take('{');
    const close = braces ? '}' : '';
    const simple: SimpleMatcher[] = [];
    const engine: EngineMatcher[] = [];
    while (!this.#isAtEnd(close)) {
      const matcher = this.#matcher();
      if ('matches' in matcher) simple.push(matcher);
      else engine.push(matcher);
      if (!this.#take(',') && !this.#isAtEnd(close)) throw this.#expected(braces ? '"," or "}"' : '"," or the end');
    }
    if (simple.length + engine.length === 0 && !braces) throw this.#expected('a label name');
    if (braces && (!this.#take('}') || !this.#isAtEnd(''))) throw this.#expected('the end');
    return { simple, engine };
  }

  #matcher(): SimpleMatcher | EngineMatcher {
    const name = this.#token(LABEL_NAME) ?? this.#string();
    if (name === undefined) throw this.#expected('a label name');
    const operator = this.#token(OPERATOR);
    if (operator === undefined) throw this.#expected('=, !=, =~ or !~');
    const start = this.#at;
    const value = this.#string();
    if (value === undefined) throw this.#expected('a value in quotes');
    switch (operator) {
      case '=':
        return { name, matches: (label) => label === value };
      case '!=':
        return { name, matches: (label) => label !== value };
      default: {
        const isNegated = operator === '!~';
        const test = simpleTest(value);
        if (test !== undefined) return { name, matches: (label) => test(label) !== isNegated };
        const refused = (expected: string, reason: string): GatewayError =>
          invalid(this.#text, `expected ${expected} at character ${start + 1}: ${reason}`);
        return { name, pattern: value, isNegated, refused };
      }
    }
  }

  #string(): string | undefined {
    this.#skipWhiteSpace();
    STRING.lastIndex = this.#at;
    const match = STRING.exec(this.#text);
    if (match === null) return undefined;
    const start = this.#at + 1;
    this.#at = STRING.lastIndex;
    const { raw, double, single } = match.groups ?? {};
    if (raw !== undefined) return raw;
    const body = double ?? single ?? '';
    return body.replaceAll(ESCAPE, (whole, x, u, U, octal, short, offset: number) => {
      const hex = (x ?? u ?? U) as string | undefined;
      if (hex !== undefined) {
        const code = Number.parseInt(hex, 16);
        if (code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)) return String.fromCodePoint(code);
      } else if (typeof octal === 'string') {
        return String.fromCodePoint(Number.parseInt(octal, 8));
      } else if (typeof short === 'string') {
        return SHORT_ESCAPES[short] ?? short;
      }
      throw invalid(this.#text, `expected no escape like ${quote(whole)} at character ${start + offset + 1}`);
    });
  }

  #token(pattern: RegExp): string | undefined {
    this.#skipWhiteSpace();
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0];
    this.#at += token?.length ?? 0;
    return token;
  }

  #take(char: string): boolean {
    this.#skipWhiteSpace();
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #isAtEnd(close: string): boolean {
    this.#skipWhiteSpace();
    return this.#at >= this.#text.length ? close === '' : this.#text[this.#at] === close;
  }

  #skipWhiteSpace(): void {
    WHITE_SPACE.lastIndex = this.#at;
    this.#at += WHITE_SPACE.exec(this.#text)?.[0].length ?? 0;
  }

  #expected(what: string): GatewayError {
    const found = this.#at < this.#text.length ? quoteCharAt(this.#text, this.#at) : 'the end';
    return invalid(this.#text, `expected ${what} at character ${this.#at + 1}, found ${found}`);
  }
}

function invalid(text: string, reason: string): GatewayError {
  return new GatewayError('request_invalid', `cannot use selector ${quote(text)}: ${reason}`);
}
