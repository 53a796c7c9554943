/**
 * Reads the tokens of the text format; parse-text.ts knows what they mean. `pos` is always the character last looked at, so that
 * an error names its line.
 */
import { GatewayError } from '../../errors.ts';
import { quote, visible } from '../../model/quote.ts';

export const TAB = 0x09;
export const NEWLINE = 0x0a;
export const SPACE = 0x20;
export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;

export const isBlank = (code: number): boolean => code === SPACE || code === TAB;

const isSpecial = (code: number): boolean => code === QUOTE || code === BACKSLASH || code === NEWLINE;

export class TextScanner {
  protected readonly text: string;
  /** Where the input ends; behind it there may be one newline that was never there. */
  protected readonly end: number;
  protected pos = 0;

  constructor(text: string) {
    // No line, and so no token, goes on behind a newline. With one at the end, no scan has to look out for the end.
    this.text = text.endsWith('\n') ? text : `${text}\n`;
    this.end = text.length;
  }

  protected fail(reason: string): never {
    let line = 1;
    for (let i = this.text.indexOf('\n'); i >= 0 && i < this.pos; i = this.text.indexOf('\n', i + 1)) line++;
    const what = this.pos >= this.end ? 'unexpected end of input stream' : reason;
    throw new GatewayError('exposition_invalid', `text format parsing error in line ${String(line)}: ${what}`);
  }

  /** Whether the text goes on with this name, and `next` behind it. */
  protected goesOnWith(name: string, next: number): boolean {
    const { text, pos } = this;
    for (let i = 0; i < name.length; i++) if (text.charCodeAt(pos + i) !== name.charCodeAt(i)) return false;
    return text.charCodeAt(pos + name.length) === next;
  }

  // Each of the following leaves `pos` on the first character it did not take.

  /** Returns the character behind the blanks. */
  protected skipBlanks(): number {
    let code = this.text.charCodeAt(this.pos);
    while (code === SPACE || code === TAB) code = this.text.charCodeAt(++this.pos);
    return code;
  }

  protected readWord(): string {
    const start = this.pos;
    return this.text.slice(start, this.skipWord());
  }

  /** To the next blank or newline; returns where that is. */
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
   * A name: plain, or quoted, or (expfmt takes it) the first half plain and the rest quoted. Empty when there is none.
   * Whether a quoted one is valid remains to be checked.
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

  /**
   * From the opening to behind the closing quote. `before` is put in front. When the text is the `expected` one, that string is returned
   * instead of a new one.
   */
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

  /** To the end of the line. */
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

  /** What the character behind a backslash stands for. The same three everywhere. */
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
