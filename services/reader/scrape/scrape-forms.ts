/** How a family is written in each format: header, samples in pieces, end. */
import {
  encodeFamilyHeader,
  encodeFamilyMetrics,
  PROTOBUF_COMPACT_TEXT,
  PROTOBUF_TEXT,
  protobufText,
} from '../../../shared/exposition/protobuf/codec.ts';
import {
  renderOpenMetricsHeader,
  renderOpenMetricsSamples,
} from '../../../shared/exposition/openmetrics/render-openmetrics.ts';
import { renderHeader, renderSamples } from '../../../shared/exposition/text/render-text.ts';
import type { Family, MetricType } from '../../../shared/model/metric-family.ts';
import type { ScrapeFormat } from './negotiate.ts';

interface ScrapeForm {
  readonly header: (name: string, help: string, type: MetricType) => Buffer | string;
  readonly samples: (family: Family) => Buffer | string;
  readonly end: string;
  /** Whether the length of all this precedes it. */
  readonly isFramed?: true;
}

export const FORMS: Readonly<Record<ScrapeFormat, ScrapeForm>> = {
  text: { header: renderHeader, samples: renderSamples, end: '' },
  openmetrics: { header: renderOpenMetricsHeader, samples: renderOpenMetricsSamples, end: '' },
  protobuf: { header: encodeFamilyHeader, samples: encodeFamilyMetrics, end: '', isFramed: true },
  'protobuf-text': textForm(PROTOBUF_TEXT),
  'protobuf-compact-text': textForm(PROTOBUF_COMPACT_TEXT),
};

function textForm(form: typeof PROTOBUF_TEXT | typeof PROTOBUF_COMPACT_TEXT): ScrapeForm {
  return {
    header: (name, help, type) => protobufText(encodeFamilyHeader(name, help, type), form),
    samples: (family) => form.separator + protobufText(encodeFamilyMetrics(family), form),
    end: form.end,
  };
}
