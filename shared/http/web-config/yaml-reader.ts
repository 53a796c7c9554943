/**
 * Reads a YAML file of known keys: what is unknown or of the wrong kind becomes a fault that names the key and its line, and
 * reading goes on, so that all faults are found at once. A value is part of a fault only where it cannot be a secret.
 */
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document, type Pair } from 'yaml';
import { durationHint, readDuration } from '../../config/values/duration.ts';
import { suggestion } from '../../config/read/raw-settings.ts';
import { nearest } from '../../config/read/did-you-mean.ts';
import { quote, quoteName } from '../../config/values/quote.ts';

/** Words a fault: which key is at fault, its value if that is not secret, and why. */
export type Blame = (key: string, shown: string | undefined, why: string) => string;

/** What stands at a key, given by its whole name: `rate_limit.burst`. Never empty. */
export interface YamlValue {
  readonly key: string;
  readonly node: unknown;
}

/** What to do with the value of each key of a section. */
export type YamlKeys = Readonly<Record<string, (value: YamlValue) => void>>;

export class YamlReader {
  readonly faults: string[] = [];
  readonly #name: string;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  /** Where each key that was given stands. */
  readonly #places = new Map<string, string>();

  /** `name` is how faults call the file. */
  constructor(content: string, name: string) {
    this.#name = name;
    this.#document = parseDocument(content, { prettyErrors: false, lineCounter: this.#lines, logLevel: 'error' });
  }

  read(keys: YamlKeys): void {
    // Only the code is shown: the parser's messages quote the line, and the line may hold a secret.
    for (const { code, pos } of [...this.#document.errors, ...this.#document.warnings]) {
      const what = code.toLowerCase().replaceAll('_', ' ');
      this.faults.push(`cannot read ${this.#at(pos[0])}: expected YAML, found: ${what}`);
    }
    if (this.faults.length > 0) return;
    const root = this.#document.contents;
    if (isMap(root)) for (const pair of root.items) this.#pair(pair, '', keys);
    else if (!isEmpty(root)) {
      this.faultAt(this.#placeOf(root), 'the file', `expected keys such as ${Object.keys(keys).join(', ')}`);
    }
  }

  /** A key without a value, or with an empty one, is not. */
  isGiven(key: string): boolean {
    return this.#places.has(key);
  }

  section({ key, node }: YamlValue, keys: YamlKeys): void {
    if (!isMap(node)) return this.fault(key, undefined, 'expected keys below it');
    for (const pair of node.items) this.#pair(pair, `${key}.`, keys);
  }

  /** Keys that are not known beforehand, with their values; undefined when there are none. `text` is absent if it is no text. */
  pairs({ node }: YamlValue): { word: string; text: string | undefined; place: string }[] | undefined {
    if (!isMap(node)) return undefined;
    return node.items.map(({ key, value }) => ({
      word: textOf(key) ?? '?',
      text: textOf(this.#resolve(value)),
      place: this.#placeOf(key),
    }));
  }

  text({ key, node }: YamlValue): string {
    const text = textOf(node);
    if (text === undefined) this.fault(key, undefined, 'expected one value');
    return text ?? '';
  }

  /** Undefined when it is no list. */
  texts({ key, node }: YamlValue): string[] | undefined {
    const texts = isSeq(node) ? node.items.map((item) => textOf(this.#resolve(item))) : [undefined];
    if (texts.every((text) => text !== undefined)) return texts;
    this.fault(key, undefined, 'expected a list of texts');
    return undefined;
  }

  flag(value: YamlValue): boolean {
    const text = this.text(value);
    // YAML 1.1, which the toolkit reads, has yes and on.
    if (!/^(?:true|false|yes|no|on|off)$/i.test(text)) this.fault(value.key, text, 'expected true or false');
    return /^(?:true|yes|on)$/i.test(text);
  }

  count(value: YamlValue): number {
    const text = this.text(value);
    if (!/^\d{1,9}$/.test(text)) this.fault(value.key, text, 'expected a whole number');
    return Number(text);
  }

  /** Milliseconds. */
  duration(value: YamlValue): number {
    const text = this.text(value);
    const ms = readDuration(text);
    if (ms !== undefined && ms >= 0) return ms;
    this.fault(value.key, text, `expected ${durationHint}, or 0`);
    return 0;
  }

  choice<T>(value: YamlValue, choices: ReadonlyMap<string, T>): T | undefined {
    const text = this.text(value);
    const chosen = choices.get(text);
    if (chosen === undefined) this.fault(value.key, text, `expected one of ${[...choices.keys()].join(', ')}`);
    return chosen;
  }

  /** A list of names that are known; without those that are not. */
  choices(value: YamlValue, names: ReadonlyMap<string, unknown>): string[] {
    const texts = this.texts(value) ?? [];
    for (const text of texts.filter((each) => !names.has(each))) {
      const why = suggestion(nearest(text, names.keys()), `expected one of ${[...names.keys()].join(', ')}`);
      this.fault(value.key, text, why);
    }
    return texts.filter((text) => names.has(text));
  }

  fault(key: string, shown: string | undefined, why: string): void {
    this.faults.push(this.blame(key, shown, why));
  }

  faultAt(place: string, label: string, why: string): void {
    this.faults.push(`cannot use ${label} (${place}): ${why}`);
  }

  readonly blame: Blame = (key, shown, why) => {
    const value = shown === undefined ? '' : ` ${quote(shown)}`;
    // One that is missing belongs where its section is.
    const place = this.#places.get(key) ?? this.#places.get(key.split('.', 1)[0] ?? '') ?? this.#name;
    return `cannot use ${key}${value} (${place}): ${why}`;
  };

  #pair({ key, value }: Pair, prefix: string, keys: YamlKeys): void {
    const word = textOf(key) ?? '?';
    const path = prefix + word;
    const read = Object.hasOwn(keys, word) ? keys[word] : undefined;
    if (read === undefined) {
      const known = Object.keys(keys).map((each) => prefix + each);
      const hint = suggestion(nearest(path, known), `expected one of ${Object.keys(keys).join(', ')}`);
      this.faults.push(`cannot use unknown key ${quoteName(path)} (${this.#placeOf(key)}): ${hint}`);
      return;
    }
    const node = this.#resolve(value);
    // So go-yaml and the toolkit have it.
    if (isEmpty(node) || (isScalar(node) && node.value === '')) return;
    this.#places.set(path, this.#placeOf(key));
    read({ key: path, node });
  }

  /** An alias without its anchor stays one, and is refused: it may be a secret that begins with `*`. */
  #resolve(node: unknown): unknown {
    return isAlias(node) ? (node.resolve(this.#document) ?? node) : node;
  }

  #placeOf(node: unknown): string {
    const start = isNode(node) ? node.range?.[0] : undefined;
    return start === undefined ? this.#name : this.#at(start);
  }

  #at(offset: number): string {
    return `${this.#name}, line ${this.#lines.linePos(offset).line}`;
  }
}

/** The scalar as written: `0123` is not 123. Undefined when it is none. */
function textOf(node: unknown): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined;
  return typeof node.value === 'string' ? node.value : node.source;
}

function isEmpty(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}
