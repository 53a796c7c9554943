/**
 * Renders the exposition in a form that is not kept ready: protobuf (which supports native histograms), OpenMetrics,
 * text with escaped names, or one partition of many. It is made from the kept text, in steps of a millisecond or two,
 * and shows one moment although the snapshot may change between the steps. Units are left out, because the official
 * gateway loses them.
 */
import { escapeFamilyNames, type EscapingScheme } from '../../../shared/exposition/openmetrics/escape-names.ts';
import { encodeLength } from '../../../shared/exposition/protobuf/codec.ts';
import { readHeader } from '../../../shared/exposition/text/render-text.ts';
import { idIn } from '../../../shared/model/group.ts';
import type { Family, MetricType } from '../../../shared/model/metric-family.ts';
import { NOTHING } from '../../../shared/records/family-record.ts';
import { holdingPieces } from '../snapshot/holding-pieces.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Entry } from '../text/bulk-load.ts';
import type { ScrapeFormat } from './negotiate.ts';
import { FORMS } from './scrape-forms.ts';
import { isInPartition, type Partition } from './scrape-partition.ts';

export interface Rendering {
  readonly format: ScrapeFormat;
  readonly escaping: EscapingScheme;
  readonly partition: Partition;
}

interface Header {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
}

/** Size from which the sample lines of several groups are parsed together. */
const PIECE_BYTES = 8 * 1024;

/**
 * Yields buffers, some of them empty, and adds the names of the families to `names`. Shows the moment of this call.
 */
export function renderScrape(snapshot: Snapshot, rendering: Rendering, names: Set<string>): Generator<Buffer> {
  return render(familiesIn(snapshot.text.entries(), snapshot.exact(), rendering.partition), rendering, names);
}

/** Each family as a header and pieces that have some of its metrics; undefined for a step that yields nothing. */
function* familiesIn(
  entries: Iterable<Entry>,
  exact: ReturnType<Snapshot['exact']>,
  partition: Partition,
): Generator<Header | Family | undefined> {
  let header: Header = { name: '', help: '', type: 'untyped' };
  let isBegun = false;
  let lines: Buffer[] = [];
  let bytes = 0;
  const parsed = function* (): Generator<Family> {
    const text = Buffer.concat(lines);
    [lines, bytes] = [[], 0];
    yield* holdingPieces({ name: header.name, type: header.type, exact: NOTHING }, text);
  };
  const isWanted = wantedGroups(partition);
  for (const { family: name, order, bytes: buffer, start, end } of entries) {
    const text = buffer.subarray(start, end);
    if (order === '') {
      yield* parsed();
      header = { name, ...readHeader(name, text.toString()) };
      isBegun = false;
      continue;
    }
    if (!isWanted(order)) {
      yield undefined;
      continue;
    }
    const head = exact.get(name)?.get(order);
    // The text has no gauge histograms.
    if (!isBegun) yield head === undefined ? header : { ...header, type: head.type };
    isBegun = true;
    if (head === undefined) {
      lines.push(text);
      bytes += text.length;
    }
    if (head !== undefined || bytes >= PIECE_BYTES) yield* parsed();
    if (head !== undefined) yield* holdingPieces(head, text);
    yield undefined;
  }
  yield* parsed();
}

function wantedGroups(partition: Partition): (order: string) => boolean {
  if (partition.n === 1) return () => true;
  const known = new Map<string, boolean>();
  return (order) => {
    let isWanted = known.get(order);
    if (isWanted === undefined) {
      isWanted = isInPartition(idIn(order), partition);
      known.set(order, isWanted);
    }
    return isWanted;
  };
}

function* render(
  families: Iterable<Header | Family | undefined>,
  { format, escaping }: Rendering,
  names: Set<string>,
): Generator<Buffer> {
  const form = FORMS[format];
  let writer: FamilyWriter | undefined;
  for (const part of families) {
    if (part === undefined) yield NOTHING;
    else if ('metrics' in part) {
      if (writer !== undefined) yield writer.add(form.samples(escapeFamilyNames(part, escaping)));
    } else {
      if (writer !== undefined) yield* writer.end();
      const { name } = escapeFamilyNames({ ...part, metrics: [] }, escaping);
      // Escaping can make two names equal, but a family may appear only once.
      writer = names.has(name) ? undefined : new FamilyWriter(format);
      names.add(name);
      if (writer !== undefined) yield writer.add(form.header(name, part.help, part.type));
    }
  }
  if (writer !== undefined) yield* writer.end();
}

/** Renders one family. */
export function renderFamily(family: Family, format: ScrapeFormat): Buffer {
  const { name, help, type } = family;
  const form = FORMS[format];
  const writer = new FamilyWriter(format);
  const parts = [writer.add(form.header(name, help, type)), writer.add(form.samples(family)), ...writer.end()];
  return Buffer.concat(parts);
}

/** Passes the parts of a family on; those of a format that has the length first, at the end. */
class FamilyWriter {
  readonly #format: ScrapeFormat;
  readonly #parts: Buffer[] = [];

  constructor(format: ScrapeFormat) {
    this.#format = format;
  }

  add(part: Buffer | string): Buffer {
    const buffer = Buffer.from(part);
    if (FORMS[this.#format].isFramed !== true) return buffer;
    this.#parts.push(buffer);
    return NOTHING;
  }

  *end(): Generator<Buffer> {
    const { isFramed, end } = FORMS[this.#format];
    if (isFramed === true) yield encodeLength(this.#parts.reduce((sum, { length }) => sum + length, 0));
    yield* this.#parts;
    yield Buffer.from(end);
  }
}
