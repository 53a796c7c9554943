/**
 * The parser of the text exposition format 0.0.4. It accepts and refuses what expfmt.TextParser of prometheus/common
 * does (v0.69.0).
 *
 *     body    = { line "\n" } [ blanks ]
 *     line    = blanks ( "" | "#" comment | sample )
 *     comment = blanks ( "HELP" blanks name blank docstring | "TYPE" blanks name blank type | anything )
 *     sample  = name blanks [ labels ] value [ blank blanks timestamp ]
 *             | "{" … name … "}" value [ … ]                    the name, quoted or not, among the labels
 *     labels  = "{" [ label { "," label } [ "," ] ] "}" blanks
 *     label   = blanks name blanks "=" blanks '"' value '"' blanks
 *
 * Blanks are spaces and tabs; only "\n" ends a line. Comments explain the less obvious rules of expfmt;
 * docs/text-format.md lists the intended differences.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import { splitSuffix, suffixesOf } from '../../consistency/suffix-collisions.ts';
import { FamilyDraft, type Role } from './family-draft.ts';
import { CLOSE, COMMA, LabelScanner } from './label-scanner.ts';
import { boundLabelOf, type Families, type Metric, type MetricType } from '../../model/metric-family.ts';
import * as names from '../../model/names.ts';
import { parseFloatToken } from './parse-float.ts';
import { quote, quoteCharAt } from '../../model/quote.ts';
import { NO_LIMITS, type PushLimits } from '../push-limits.ts';
import { isBlank, NEWLINE, SPACE } from './text-scanner.ts';

export interface ParseTextOptions {
  /** Metric and label names may be any UTF-8, in quotes; otherwise only legacy names, quoted or not. */
  utf8Names?: boolean;
  /** Default none. */
  limits?: PushLimits;
}

/**
 * Parses a whole body, which must come from valid UTF-8 (see `decodeUtf8`). Throws `exposition_invalid`, naming the
 * line, for anything that expfmt refuses, and `push_too_large`, see push-limits.ts. Strings in the result may be slices of
 * the text and keep it in memory.
 */
export function parseText(text: string, { utf8Names = false, limits = NO_LIMITS }: ParseTextOptions = {}): Families {
  return new TextParser(text, utf8Names, limits).parse();
}

const HASH = 0x23;
const OPEN = 0x7b;

const TYPES = new Map<string, MetricType>([
  ['counter', 'counter'],
  ['gauge', 'gauge'],
  ['summary', 'summary'],
  ['untyped', 'untyped'],
  ['histogram', 'histogram'],
  ['gauge_histogram', 'gauge_histogram'],
  ['gaugehistogram', 'gauge_histogram'],
]);

/** What the name of a sample line stands for: `x_count` may be a family of its own, or the count of a summary `x`. */
interface Target {
  draft: FamilyDraft;
  role: Role;
}

class TextParser extends LabelScanner {
  readonly #drafts = new Map<string, FamilyDraft>();
  readonly #targets = new Map<string, Target>();

  /** Of the latest sample line, because the next is often of the same family. Undefined if its name was quoted. */
  #latestName = '';
  #latestTarget: Target | undefined;

  /** The quantile or the upper bound of the line being read. */
  #bound = NaN;

  parse(): Families {
    while (this.pos < this.end) this.#readLine();

    const families: Families = new Map();
    for (const draft of this.#drafts.values()) {
      const family = draft.finish();
      if (family !== undefined) families.set(family.name, family);
    }
    return families;
  }

  /** Reads a line with its newline. Only a line of blanks may end without one. */
  #readLine(): void {
    const first = this.skipBlanks();
    if (first !== NEWLINE) {
      if (first === HASH) this.#readComment();
      else if (first === OPEN) this.#readSampleInBraces();
      else this.#readSample();
      if (this.pos >= this.end) this.fail('unexpected end of input stream');
    }
    this.pos++;
  }

  #readComment(): void {
    this.pos++;
    if (this.skipBlanks() === NEWLINE) return;
    const keyword = this.readWord();
    if (keyword !== 'HELP' && keyword !== 'TYPE') {
      this.skipToNewline();
      return;
    }
    if (this.skipBlanks() === NEWLINE) return;
    const name = this.readName(names.isMetricNameStart, names.isMetricNameChar, 'metric name');
    const next = this.text.charCodeAt(this.pos);
    if (next === NEWLINE) return;
    if (!isBlank(next)) this.fail('invalid metric name in comment');
    const { draft } = this.#target(name);
    if (this.skipBlanks() === NEWLINE) return;
    if (keyword === 'HELP') this.#readHelp(draft);
    else this.#readType(draft);
  }

  #readHelp(draft: FamilyDraft): void {
    if (draft.help !== undefined) this.fail(`second HELP line for metric name ${quote(draft.name)}`);
    draft.help = this.readDocstring();
    this.limits.checkString(draft.help, 'help');
  }

  #readType(draft: FamilyDraft): void {
    if (draft.type !== undefined) {
      this.fail(`second TYPE line for metric name ${quote(draft.name)}, or TYPE reported after samples`);
    }
    const start = this.pos;
    // expfmt drops backslashes here: it reads the type like a docstring, but without escapes.
    const word = this.text.slice(start, this.skipToNewline()).replaceAll('\\', '');
    draft.type = TYPES.get(word) ?? TYPES.get(foldCase(word)) ?? this.fail(`unknown metric type ${quote(word)}`);
  }

  #readSample(): void {
    const target = this.#readSampleName();
    target.draft.type ??= 'untyped';
    this.#bound = NaN;
    this.beginLabels();
    if (this.skipBlanks() === OPEN) this.#readLabels(target, false);
    this.#readValue(target);
  }

  #readSampleInBraces(): void {
    this.#bound = NaN;
    this.beginLabels();
    this.#readValue(this.#readLabels(undefined, true));
  }

  #readSampleName(): Target {
    const latest = this.#latestTarget;
    if (latest !== undefined) {
      const next = this.text.charCodeAt(this.pos + this.#latestName.length);
      if ((next === OPEN || next === SPACE) && this.continuesWith(this.#latestName, next)) {
        this.pos += this.#latestName.length;
        return latest;
      }
    }
    const start = this.pos;
    const name = this.readName(names.isMetricNameStart, names.isMetricNameChar, 'metric name');
    if (name === '') this.fail('invalid metric name');
    const target = this.#target(name);
    const isPlain = this.pos - start === name.length;
    this.#latestName = name;
    this.#latestTarget = isPlain ? target : undefined;
    return target;
  }

  /** Reads from "{" to the end of the blanks after "}". `inBraces`: the name of the metric is among the labels. */
  #readLabels(known: Target | undefined, inBraces: boolean): Target {
    let target = known;
    let boundName = boundLabelOf(target?.draft.type);
    this.pos++;
    while (this.skipBlanks() !== CLOSE) {
      const name = this.readLabelName(target?.draft.name);
      if (this.atValue) {
        const value = this.readLabel(name, boundName, target?.draft.name);
        if (name === boundName) this.#readBound(name, value);
        this.checkLabelEnd(value);
      } else {
        if (!inBraces) this.fail(`expected '=' after label name, found ${quoteCharAt(this.text, this.pos)}`);
        if (target !== undefined) this.fail(`multiple metric names for metric ${quote(target.draft.name)}`);
        target = this.#readNameAmongLabels(name);
        boundName = boundLabelOf(target.draft.type);
      }
      if (this.text.charCodeAt(this.pos) === CLOSE) break;
      this.pos++;
    }
    // expfmt adds labels without a metric name to the series of the line before. This is an accident, and refused here.
    if (target === undefined) this.fail('invalid metric name');
    this.pos++;
    this.skipBlanks();
    return target;
  }

  #readNameAmongLabels(name: string): Target {
    const next = this.text.charCodeAt(this.pos);
    if (next !== COMMA && next !== CLOSE) {
      this.fail(`unexpected end of metric name ${quoteCharAt(this.text, this.pos)}`);
    }
    const target = this.#target(name);
    target.draft.type ??= 'untyped';
    // A bound before the name has been read as a label.
    const boundLabel = boundLabelOf(target.draft.type);
    const value = boundLabel === undefined ? undefined : this.takeLabel(boundLabel);
    if (boundLabel !== undefined && value !== undefined) this.#readBound(boundLabel, value);
    return target;
  }

  #readBound(name: string, value: string): void {
    const bound = parseFloatToken(value, 0, value.length);
    if (bound === undefined) {
      this.pos--; // At the closing quote, so that the error is not taken for the end of the input.
      this.fail(`expected float as value for '${name}' label, got ${quote(value)}`);
    }
    this.#bound = bound;
  }

  #readValue({ draft, role }: Target): void {
    const start = this.pos;
    const end = this.skipWord();
    const value = parseFloatToken(this.text, start, end);
    if (value === undefined) this.fail(`expected float as value, got ${quote(this.text.slice(start, end))}`);

    const labels = this.endLabels();
    let metric: Metric | string;
    if (draft.isSummary) metric = draft.addSummaryLine(labels, role, this.#bound, value);
    else if (draft.isHistogram) metric = draft.addHistogramLine(labels, role, this.#bound, value);
    else metric = draft.addSimple(labels, value);
    if (typeof metric === 'string') this.fail(`${metric} ${quote(draft.name)}`);

    if (this.text.charCodeAt(end) !== NEWLINE) metric.timestampMs = this.#readTimestamp();
  }

  #readTimestamp(): number {
    this.skipBlanks();
    const start = this.pos;
    const end = this.skipWord();
    const word = this.text.slice(start, end);
    if (!isInt64(word)) this.fail(`expected integer as timestamp, got ${quote(word)}`);
    if (this.text.charCodeAt(end) !== NEWLINE) {
      const spurious = this.text.slice(end, this.skipToNewline());
      this.fail(`spurious string after timestamp: ${quote(spurious)}`);
    }
    return Number(word);
  }

  /**
   * The family that a name belongs to. A name has the same target in the whole body: a family of this name is
   * preferred, and a summary or histogram that owns the name never changes its type.
   */
  #target(name: string): Target {
    let target = this.#targets.get(name);
    if (target === undefined) {
      if (name === '' || !(this.utf8Names || names.isLegacyMetricName(name))) {
        this.fail(`invalid metric name ${quote(name)}`);
      }
      this.limits.checkString(name, 'metric name');
      target = this.#drafts.has(name) ? undefined : this.#findOwner(name);
      if (target === undefined) {
        this.limits.addFamily();
        target = { draft: new FamilyDraft(name, this.limits), role: 'sample' };
        this.#drafts.set(name, target.draft);
      }
      this.#targets.set(name, target);
    }
    return target;
  }

  /** The summary or histogram of which the name is a part. */
  #findOwner(name: string): Target | undefined {
    const { base = '', suffix } = splitSuffix(name) ?? {};
    const draft = this.#drafts.get(base);
    if (suffix === undefined || draft?.type === undefined || !suffixesOf(draft.type).includes(suffix)) return undefined;
    return { draft, role: suffix === '_bucket' ? 'sample' : suffix === '_sum' ? 'sum' : 'count' };
  }
}

/** Lower case. Go compares types in upper case, so `ſ` counts as `s`, and `ı` as `i`. */
function foldCase(word: string): string {
  return /^[a-z_\u017f\u0131]*$/i.test(word) ? word.toUpperCase().toLowerCase() : word;
}

/** Whether `strconv.ParseInt` accepts it. */
function isInt64(word: string): boolean {
  if (!/^[+-]?[0-9]+$/.test(word)) return false;
  const value = Math.abs(Number(word));
  return value < 2 ** 63 || (value === 2 ** 63 && BigInt.asIntN(64, BigInt(word)) === BigInt(word));
}
