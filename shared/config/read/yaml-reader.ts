/**
 * Reads a YAML file of known keys. An unknown key or a wrong value becomes a fault that names the key and its line, and
 * reading goes on, so that all faults are reported at once. A fault quotes a value only if it cannot be a secret.
 */
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document, type Pair } from 'yaml';
import { asError } from '../../errors.ts';
import type { Kind } from '../settings/kinds.ts';
import { quoteRedacted, quoteName } from '../values/redact.ts';
import { didYouMean } from './did-you-mean.ts';

/** Words a fault: the key, its value unless that may be a secret, and what was expected. */
export type DescribeFault = (key: string, shown: string | undefined, why: string) => string;

export interface YamlValue {
  /** With the keys above it: `rate_limit.burst`, `ttl_rules[0].job`. */
  readonly key: string;
  readonly node: unknown;
  /** File and line. */
  readonly place: string;
}

/** By their full names; the sections above them follow from these. */
type YamlKeys = ReadonlyMap<string, (value: YamlValue) => void>;

export interface YamlFormat {
  /** An existing key, for a file without any. */
  readonly example: string;
  /** The document that lists all keys. */
  readonly documentation: string;
  /** Whether `key: ''` is the same as no value. */
  readonly ignoresEmptyTexts: boolean;
}

export class YamlReader {
  readonly faults: string[] = [];
  readonly #name: string;
  readonly #format: YamlFormat;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  /** By the keys that have a value. */
  readonly #places = new Map<string, string>();

  /** `name` is the file's name in faults. */
  constructor(content: string, name: string, format: YamlFormat) {
    this.#name = name;
    this.#format = format;
    this.#document = parseDocument(content, { prettyErrors: false, lineCounter: this.#lines, logLevel: 'error' });
  }

  /** Calls the function of each key that has a value. */
  read(keys: YamlKeys): void {
    // Only the code is shown: the parser's messages quote the line, which may hold a secret.
    for (const { code, pos } of [...this.#document.errors, ...this.#document.warnings]) {
      const what = code.toLowerCase().replaceAll('_', ' ');
      this.faults.push(`cannot read ${this.#at(pos[0])}: expected YAML, found: ${what}`);
    }
    if (this.faults.length > 0) return;
    const root = this.#document.contents;
    const sections = new Set([...keys.keys()].flatMap(sectionsOf));
    if (isMap(root)) for (const pair of root.items) this.#pair(pair, '', keys, sections);
    else if (!this.#isEmpty(root)) {
      const why = `expected keys such as ${this.#format.example}`;
      this.fault({ key: 'the file', node: root, place: this.#placeOf(root) }, why);
    }
  }

  /** Whether any key of the section has a value. */
  isGiven(section: string): boolean {
    return [...this.#places.keys()].some((key) => key.startsWith(`${section}.`));
  }

  /** The keys below this one, whatever they are; undefined if its value is not a map. */
  entries({ key, node }: YamlValue): Map<string, YamlValue> | undefined {
    if (!isMap(node)) return undefined;
    return new Map(
      node.items.map((pair) => {
        const word = textOf(pair.key) ?? '?';
        const value = this.#resolve(pair.value);
        return [word, { key: `${key}.${quoteName(word)}`, node: value, place: this.#placeOf(pair.key) }];
      }),
    );
  }

  /** Undefined if it is not a list. */
  items({ key, node, place }: YamlValue): YamlValue[] | undefined {
    if (!isSeq(node)) return undefined;
    return node.items.map((item, index) => {
      return { key: `${key}[${index}]`, node: this.#resolve(item), place: isNode(item) ? this.#placeOf(item) : place };
    });
  }

  text(value: YamlValue): string | undefined {
    const text = textOf(value.node);
    if (text === undefined) this.fault(value, 'expected one value');
    return text;
  }

  /** Undefined if it is not a list of texts; without a fault. */
  texts(value: YamlValue): string[] | undefined {
    const texts = this.items(value)?.map(({ node }) => textOf(node));
    return texts?.every((text) => text !== undefined) === true ? texts : undefined;
  }

  parse<T>(value: YamlValue, kind: Pick<Kind<T>, 'parse'>): T | undefined {
    const text = this.text(value);
    if (text === undefined) return undefined;
    try {
      return kind.parse(text);
    } catch (thrown) {
      this.fault(value, asError(thrown).message, text);
      return undefined;
    }
  }

  fault({ key, place }: YamlValue, why: string, shown?: string): void {
    this.faults.push(faultText(key, shown, place, why));
  }

  /** For a key that is missing, the place is that of its section. */
  readonly describeFault: DescribeFault = (key, shown, why) => {
    const place = this.#places.get(key) ?? this.#places.get(key.split('.', 1)[0] ?? '') ?? this.#name;
    return faultText(key, shown, place, why);
  };

  #pair({ key, value }: Pair, prefix: string, keys: YamlKeys, sections: ReadonlySet<string>): void {
    const path = prefix + (textOf(key) ?? '?');
    const place = this.#placeOf(key);
    const read = keys.get(path);
    if (read === undefined && !sections.has(path)) {
      const hint = didYouMean(path, [...keys.keys(), ...sections], `see ${this.#format.documentation}`);
      this.faults.push(`cannot use unknown key ${quoteName(path)} (${place}): ${hint}`);
      return;
    }
    const node = this.#resolve(value);
    if (this.#isEmpty(node)) return;
    this.#places.set(path, place);
    if (read !== undefined) read({ key: path, node, place });
    else if (isMap(node)) for (const pair of node.items) this.#pair(pair, `${path}.`, keys, sections);
    else this.fault({ key: path, node, place }, 'expected keys below it');
  }

  /** An alias without its anchor is not resolved, and is refused: it may be a secret that begins with `*`. */
  #resolve(node: unknown): unknown {
    return isAlias(node) ? (node.resolve(this.#document) ?? node) : node;
  }

  /** go-yaml ignores a key without a value. */
  #isEmpty(node: unknown): boolean {
    if (node === null || node === undefined) return true;
    return isScalar(node) && (node.value === null || (node.value === '' && this.#format.ignoresEmptyTexts));
  }

  #placeOf(node: unknown): string {
    const start = isNode(node) ? node.range?.[0] : undefined;
    return start === undefined ? this.#name : this.#at(start);
  }

  #at(offset: number): string {
    return `${this.#name}, line ${this.#lines.linePos(offset).line}`;
  }
}

function faultText(key: string, shown: string | undefined, place: string, why: string): string {
  return `cannot use ${key}${shown === undefined ? '' : ` ${quoteRedacted(shown)}`} (${place}): ${why}`;
}

/** `a.b.c` → `a`, `a.b`. */
function sectionsOf(key: string): string[] {
  const words = key.split('.');
  return words.slice(1).map((_, index) => words.slice(0, index + 1).join('.'));
}

/** The scalar as it is written: `0123` is not 123. Undefined if it is not a scalar. */
export function textOf(node: unknown): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined;
  return typeof node.value === 'string' ? node.value : node.source;
}
