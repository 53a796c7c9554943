/** Reads the YAML file: which keys it has and what they say. Values stay texts until they are validated. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, isNode, type Pair } from 'yaml';
import { asError } from '../../errors.ts';
import type { TtlRule } from '../config.ts';
import { type Given, type ReadFile, suggestion } from './raw-settings.ts';
import { duration } from '../settings/kinds.ts';
import { nearest } from './did-you-mean.ts';
import { quote, quoteName } from '../values/quote.ts';
import { settings } from '../settings/settings.ts';
import { compileJobPattern } from '../values/ttl-rules.ts';

const settingByKey = new Map(settings.flatMap((row) => (row.yaml === undefined ? [] : [[row.yaml, row] as const])));
const sections = new Set([...settingByKey.keys()].filter((key) => key.includes('.')).map((key) => key.split('.')[0]));
const ttlRulesKey = 'ttl_rules';
const knownKeys = [...settingByKey.keys(), ttlRulesKey];

/** `name` is how faults call the file. */
export function readYaml(content: string, name: string): ReadFile {
  return new YamlReader(content, name).read();
}

class YamlReader {
  readonly #name: string;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #given = new Map<string, Given>();
  readonly #ttlRules: TtlRule[] = [];
  readonly #faults: string[] = [];

  constructor(content: string, name: string) {
    this.#name = name;
    this.#document = parseDocument(content, { prettyErrors: false, lineCounter: this.#lines, logLevel: 'error' });
  }

  read(): ReadFile {
    // Only the code is shown: the parser's messages quote the line, and the line may hold a password.
    for (const { code, pos } of [...this.#document.errors, ...this.#document.warnings]) {
      const what = code.toLowerCase().replaceAll('_', ' ');
      this.#faults.push(`cannot read ${this.#at(pos[0])}: expected YAML, found: ${what}`);
    }
    if (this.#faults.length === 0) this.#readMap(this.#document.contents, '');
    return { given: this.#given, ttlRules: this.#ttlRules, faults: this.#faults };
  }

  #readMap(node: unknown, section: string): void {
    const map = this.#resolve(node);
    if (isEmpty(map)) return;
    if (!isMap(map)) {
      const what = section === '' ? 'the file' : section.slice(0, -1);
      return this.#refuse(map, what, section === '' ? 'expected keys such as port: 9753' : 'expected keys below it');
    }
    for (const pair of map.items) this.#readPair(pair, section);
  }

  #readPair({ key, value }: Pair, section: string): void {
    const word = isScalar(key) ? String(key.value) : '?';
    const path = section + word;
    const setting = settingByKey.get(path);
    if (setting !== undefined) {
      const text = this.#textOf(value, setting.kind.list === true);
      if (text === undefined) return this.#refuse(value, path, 'expected one value');
      // go-yaml leaves a setting alone when its key has no value, so do we.
      if (text === null) return;
      this.#given.set(setting.name, { setting, text, label: path, place: ` (${this.#placeOf(value)})` });
    } else if (section === '' && sections.has(word)) this.#readMap(value, `${word}.`);
    else if (path === ttlRulesKey) this.#readTtlRules(value);
    else {
      const near = nearest(path, knownKeys);
      const place = this.#placeOf(key);
      this.#faults.push(
        `cannot use unknown key ${quoteName(path)} (${place}): ${suggestion(near, 'see docs/configuration.md')}`,
      );
    }
  }

  #readTtlRules(node: unknown): void {
    const list = this.#resolve(node);
    if (isEmpty(list)) return;
    const shape = 'expected a list of {job: PATTERN, ttl: DURATION}';
    if (!isSeq(list)) return this.#refuse(list, ttlRulesKey, shape);
    for (const [index, item] of list.items.entries()) {
      const label = `${ttlRulesKey}[${index}]`;
      const map = this.#resolve(item);
      if (!isMap(map) || map.items.some(({ key }) => !isScalar(key) || !/^(job|ttl)$/.test(String(key.value)))) {
        this.#refuse(map, label, shape);
        continue;
      }
      const job = this.#parsed(map.get('job', true), `${label}.job`, compileJobPattern);
      const ttlMs = this.#parsed(map.get('ttl', true), `${label}.ttl`, (text) => duration.parse(text));
      if (job !== undefined && ttlMs !== undefined) this.#ttlRules.push({ job, ttlMs });
    }
  }

  #parsed<T>(node: unknown, label: string, parse: (text: string) => T): T | undefined {
    const text = this.#textOf(node, false);
    if (typeof text !== 'string') {
      this.#refuse(node, label, 'expected one value');
      return undefined;
    }
    try {
      return parse(text);
    } catch (error) {
      this.#faults.push(`cannot use ${label} ${quote(text)} (${this.#placeOf(node)}): ${asError(error).message}`);
      return undefined;
    }
  }

  /** null = no value; undefined = not a plain value. The text is as written: `0123` is not 123. */
  #textOf(node: unknown, listAllowed: boolean): string | null | undefined {
    const value = this.#resolve(node);
    if (isEmpty(value)) return null;
    if (isScalar(value)) return typeof value.value === 'string' ? value.value : (value.source ?? String(value.value));
    if (!listAllowed || !isSeq(value)) return undefined;
    const texts = value.items.map((item) => this.#textOf(item, false));
    return texts.every((text) => typeof text === 'string') ? texts.join(',') : undefined;
  }

  /** An alias without its anchor stays one, and is refused: it may be a password that begins with `*`. */
  #resolve(node: unknown): unknown {
    return isAlias(node) ? (node.resolve(this.#document) ?? node) : node;
  }

  #refuse(node: unknown, label: string, why: string): void {
    this.#faults.push(`cannot use ${label} (${this.#placeOf(node)}): ${why}`);
  }

  #placeOf(node: unknown): string {
    const start = isNode(node) ? node.range?.[0] : undefined;
    return start === undefined ? this.#name : this.#at(start);
  }

  #at(offset: number): string {
    return `${this.#name}, line ${this.#lines.linePos(offset).line}`;
  }
}

function isEmpty(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}
