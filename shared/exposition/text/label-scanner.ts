/**
 * Reads the labels of each line. Most lines repeat the label names of the line before, and many of the values: names
 * that repeat are not checked again, and labels that repeat are shared.
 */
import type { LabelPair, Labels } from '../../model/metric-family.ts';
import * as names from '../../model/names.ts';
import { quote, quoteCharAt } from '../../model/quote.ts';
import type { PushLimits } from '../push-limits.ts';
import { QUOTE, TextScanner } from './text-scanner.ts';

export const COMMA = 0x2c;
export const CLOSE = 0x7d;
const EQUALS = 0x3d;

const NONE: Labels = [];

/** From this number of labels on, duplicates are found with a set instead of by comparing. */
const MANY_LABELS = 16;

export class LabelScanner extends TextScanner {
  protected readonly utf8Names: boolean;
  protected readonly limits: PushLimits;

  /** The labels of the line being read are the first `#count` of these. */
  readonly #pairs: LabelPair[] = [];
  #count = 0;
  #names: Set<string> | undefined;

  /** Of the latest line with labels, unless quoted names are among them. */
  #before: Labels = NONE;
  /** Whether the names so far are those of the line before, in the same order. */
  #sameNames = true;
  /** Whether the values are, too. */
  #samePairs = true;
  /** Whether no name was quoted. */
  #plain = true;

  constructor(text: string, utf8Names: boolean, limits: PushLimits) {
    super(text);
    this.utf8Names = utf8Names;
    this.limits = limits;
  }

  protected beginLabels(): void {
    this.#count = 0;
    this.#names = undefined;
    this.#sameNames = this.#samePairs = this.#plain = true;
  }

  protected endLabels(): Labels {
    if (this.#count === 0) return NONE;
    if (this.#samePairs && this.#count === this.#before.length) return this.#before;
    const labels = this.#pairs.slice(0, this.#count);
    this.#before = this.#plain ? labels : NONE;
    return labels;
  }

  /**
   * Reads a name, which need not be valid, and the blanks after it. If `atValue` is true then, it is that of a label.
   */
  protected readLabelName(family: string | undefined): string {
    const repeated = this.#sameNames ? this.#before[this.#count]?.[0] : undefined;
    if (repeated !== undefined && this.continuesWith(repeated, EQUALS)) {
      this.pos += repeated.length;
      return repeated;
    }
    const start = this.pos;
    const name = this.readName(names.isLabelNameStart, names.isLabelNameChar, 'label name');
    if (name === '') this.fail(`invalid label name for metric ${quote(family ?? '')}`);
    this.#sameNames = this.#samePairs = false;
    this.#plain &&= this.pos - start === name.length;
    this.skipBlanks();
    return name;
  }

  protected get atValue(): boolean {
    return this.text.charCodeAt(this.pos) === EQUALS;
  }

  /** Reads from "=" to the end of the value, which is returned. The label `boundName` is not added to the labels. */
  protected readLabel(name: string, boundName: string | undefined, family: string | undefined): string {
    if (!this.#sameNames) this.#checkName(name, boundName, family);
    this.pos++;
    if (this.skipBlanks() !== QUOTE) {
      this.fail(`expected '"' at start of label value, found ${quoteCharAt(this.text, this.pos)}`);
    }
    const before = this.#samePairs ? this.#before[this.#count] : undefined;
    const value = this.readQuoted('label value', '', before?.[1]);
    if (name !== boundName) {
      const isSame = before !== undefined && before[1] === value;
      this.#samePairs &&= isSame;
      if (!isSame) this.#checkLimits(value);
      this.#pairs[this.#count++] = isSame ? before : [name, value];
    }
    return value;
  }

  protected checkLabelEnd(value: string): void {
    const next = this.skipBlanks();
    if (next !== COMMA && next !== CLOSE) this.fail(`unexpected end of label value ${quote(value)}`);
  }

  /** Removes the label with this name, and returns its value. */
  protected takeLabel(name: string): string | undefined {
    const labels = this.#pairs.slice(0, this.#count);
    const at = labels.findIndex((label) => label[0] === name);
    if (at < 0) return undefined;
    this.#pairs.copyWithin(at, at + 1);
    this.#count--;
    this.#sameNames = this.#samePairs = false;
    return labels[at]?.[1];
  }

  #checkName(name: string, boundName: string | undefined, family: string | undefined): void {
    if (name === '__name__') this.fail('label name "__name__" is reserved');
    if (!this.utf8Names && !names.isLegacyLabelName(name)) this.fail(`invalid label name ${quote(name)}`);
    this.limits.checkString(name, 'label name');
    if (name !== boundName && !this.#isNew(name)) {
      this.fail(`duplicate label names for metric ${quote(family ?? '')}`);
    }
  }

  #checkLimits(value: string): void {
    this.limits.addLabel(this.#count);
    this.limits.checkString(value, 'label value');
  }

  #isNew(name: string): boolean {
    if (this.#count < MANY_LABELS) {
      for (let i = 0; i < this.#count; i++) if (this.#pairs[i]?.[0] === name) return false;
      return true;
    }
    this.#names ??= new Set(this.#pairs.slice(0, this.#count).map((label) => label[0]));
    const isNew = !this.#names.has(name);
    this.#names.add(name);
    return isNew;
  }
}
