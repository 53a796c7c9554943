/**
 * Reads the tokens of the text format; parse-text.ts knows their meaning. `pos` is always at the character that was
 * examined last, so that an error names its line.
 */
import { GatewayError } from '../../errors.ts';
import { quote, visible } from '../../model/quote.ts';

const TAB = 0x09;
export const NEWLINE = 0x0a;
export const SPACE = 0x20;
export const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export const isBlank = (code: number): boolean => code === SPACE || code === TAB;

const isSpecial = (code: number): boolean => code === QUOTE || code === BACKSLASH || code === NEWLINE;

export class TextScanner {
  protected readonly text: string;
  /** The end of the input. In `text`, a newline may follow that is not part of the input. */
  protected readonly end: number;
  protected pos = 0;

  constructor(text: string) {
    // No token continues after a newline. With one at the end, scans need not check for the end of the text.
    this.text = text.endsWith('\n') ? text : `${text}\n`;
    this.end = text.length;
  }

  protected fail(reason: string): never {
    let line = 1;
    for (let i = this.text.indexOf('\n'); i >= 0 && i < this.pos; i = this.text.indexOf('\n', i + 1)) line++;
    const what = this.pos >= this.end ? 'unexpected end of input stream' : reason;
    throw new GatewayError('exposition_invalid', `text format parsing error in line ${String(line)}: ${what}`);
  }

  /** Whether this name follows, and then the character `next`. */
  protected continuesWith(name: string, next: number): boolean {
    const { text, pos } = this;
    for (let i = 0; i < name.length; i++) if (text.charCodeAt(pos + i) !== name.charCodeAt(i)) return false;
    return text.charCodeAt(pos + name.length) === next;
  }

  // Each of the following methods leaves `pos` at the first character that is not part of the token.

  /** Returns the character after the blanks. */
  protected skipBlanks(): number {
    let code = this.text.charCodeAt(this.pos);
    while (code === SPACE || code === TAB) code = this.text.charCodeAt(++this.pos);
    return code;
  }

  protected readWord(): string {
    const start = this.pos;
    return this.text.slice(start, this.skipWord());
  }

  /** Skips to the next blank or newline. Returns its position. */
  protected skipWord(): number {
    const { text } = this;
    let i = this.pos;
    for (let code = text.charCodeAt(i); code !== SPACE && code !== NEWLINE && code !== TAB;)
      code = text.charCodeAt(++i);
    return (this.pos = i);
  }

  protected skipToNewline(): number {
    return (this.pos = this.text.indexOf('\n', this.pos));
  }

  /**
   * Reads a name: plain, quoted, or (as expfmt allows) the first part plain and the rest quoted. Empty if there is
   * none. A quoted name need not be valid.
   */
  protected readName(isStart: (code: number) => boolean, isPart: (code: number) => boolean, what: string): string {
    const { text } = this;
    const start = this.pos;
    let i = start;
    if (isStart(text.charCodeAt(i))) while (isPart(text.charCodeAt(i))) i++;
    this.pos = i;
    const plain = text.slice(start, i);
    if (text.charCodeAt(i) !== QUOTE) return plain;
    return this.readQuoted(what, plain);
  }

  /** Reads to the closing quote, and puts `before` in front. Returns `expected` itself if the text equals it. */
  protected readQuoted(what: string, before = '', expected = ''): string {
    const { text } = this;
    const start = this.pos + 1;
    let i = start;
    let code = text.charCodeAt(i);
    while (i - start < expected.length && code === expected.charCodeAt(i - start) && !isSpecial(code)) {
      code = text.charCodeAt(++i);
    }
    const isExpected = code === QUOTE && i - start === expected.length;
    while (!isSpecial(code)) code = text.charCodeAt(++i);
    if (code !== QUOTE) return this.#readEscaped(before, start, i, what);
    this.pos = i + 1;
    if (before !== '') return before + text.slice(start, i);
    return isExpected ? expected : text.slice(start, i);
  }

  #readEscaped(before: string, start: number, firstSpecial: number, what: string): string {
    const { text } = this;
    let out = before;
    let from = start;
    for (let i = firstSpecial; ; i++) {
      const code = text.charCodeAt(i);
      if (code === QUOTE) {
        this.pos = i + 1;
        return out + text.slice(from, i);
      }
      if (code === NEWLINE) {
        this.pos = i;
        this.fail(`${what} ${quote(out + text.slice(from, i))} contains unescaped new-line`);
      }
      if (code === BACKSLASH) {
        out += text.slice(from, i) + this.#escapeAt(++i);
        from = i + 1;
      }
    }
  }

  /** Reads to the end of the line. */
  protected readDocstring(): string {
    const start = this.pos;
    const end = this.skipToNewline();
    const raw = this.text.slice(start, end);
    let out = '';
    let from = 0;
    for (let i = raw.indexOf('\\'); i >= 0; i = raw.indexOf('\\', from)) {
      out += raw.slice(from, i) + this.#escapeAt(start + i + 1);
      from = i + 2;
    }
    return from === 0 ? raw : out + raw.slice(from);
  }

  /** What the character after a backslash stands for: the same three everywhere. */
  #escapeAt(at: number): string {
    switch (this.text.charCodeAt(at)) {
      case BACKSLASH:
        return '\\';
      case QUOTE:
        return '"';
      case 0x6e /* n */:
        return '\n';
      default:
        this.pos = at;
        return this.fail(`invalid escape sequence '\\${visible(this.text, at)}'`);
    }
  }
}
