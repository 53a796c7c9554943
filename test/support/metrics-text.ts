/**
 * A minimal reader of the text format for assertions. It does not use the project's parser, because a test must not
 * share the mistakes of what it tests.
 */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly line: string;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/s;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/gs;

export function samples(text: string): Sample[] {
  const found: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = SAMPLE.exec(line);
    if (match === null) throw new Error(`not a sample: ${line}`);
    const [, name = '', labelText = '', value = ''] = match;
    const labels: Record<string, string> = {};
    for (const [, label = '', escaped = ''] of labelText.matchAll(LABEL)) {
      labels[label] = escaped.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
    }
    found.push({ name, labels, value: toNumber(value), line });
  }
  return found;
}

/** All sample lines, sorted; those of push times only on request, because they differ between runs. */
export function sampleLines(text: string, options: { pushTimes?: boolean } = {}): string[] {
  return samples(text)
    .filter(({ name }) => options.pushTimes === true || !/^push_(failure_)?time_seconds$/.test(name))
    .map(({ line }) => line)
    .toSorted();
}

/** The samples of a name with at least these labels. */
export function select(text: string, name: string, labels: Record<string, string> = {}): Sample[] {
  return samples(text).filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
}

/** The value of the single matching sample; undefined if there is none. Throws if there are several. */
export function sampleValue(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const [first, ...others] = select(text, name, labels);
  if (others.length > 0) throw new Error(`${name} ${JSON.stringify(labels)} stands for ${others.length + 1} samples`);
  return first?.value;
}

/** Sum of the matching samples, 0 if there are none: for telemetry by shard or by outcome. */
export function sampleSum(text: string, name: string, labels: Record<string, string> = {}): number {
  return select(text, name, labels).reduce((sum, { value }) => sum + value, 0);
}

/** Family name → type of its TYPE line. */
export function familyTypes(text: string): Map<string, string> {
  return commentLines(text, 'TYPE');
}

/** Family name → its HELP text, still escaped. */
export function familyHelps(text: string): Map<string, string> {
  return commentLines(text, 'HELP');
}

function commentLines(text: string, keyword: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', rest = ''] of text.matchAll(new RegExp(`^# ${keyword} (\\S+) (.*)$`, 'gm'))) {
    if (found.has(name)) throw new Error(`second ${keyword} of ${name}`);
    found.set(name, rest);
  }
  return found;
}

function toNumber(text: string): number {
  if (text === '+Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return Number(text);
}
