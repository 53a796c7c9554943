/**
 * Turns names into legacy names, for scrapers that do not declare that they accept UTF-8 names, by the scheme that they
 * request. Legacy names stay as they are, even with `dots`, where an underscore is ambiguous then.
 * https://github.com/prometheus/proposals/blob/main/proposals/2023-08-21-utf8.md
 *
 *     underscores   invalid characters become `_`
 *     dots          `.` becomes `_dot_`, `_` and invalid characters become `__`
 *     values        `U__`, then `_` as `__`, and invalid characters as `_HEX_`
 */
import { escapeName } from '../../model/escaped-name.ts';
import type { Family, Labels } from '../../model/metric-family.ts';
import {
  isLabelNameChar,
  isLabelNameStart,
  isLegacyLabelName,
  isLegacyMetricName,
  isMetricNameChar,
  isMetricNameStart,
} from '../../model/names.ts';

export const ESCAPING_SCHEMES = ['allow-utf-8', 'underscores', 'dots', 'values'] as const;
export type EscapingScheme = (typeof ESCAPING_SCHEMES)[number];

/** A copy with the names of the family and of all labels escaped; the family itself if nothing is to be escaped. */
export function escapeFamilyNames(family: Family, scheme: EscapingScheme): Family {
  if (scheme === 'allow-utf-8') return family;
  const name = isLegacyMetricName(family.name) ? family.name : escape(family.name, scheme, 'metric');
  const metrics = family.metrics.map((metric) => ({ ...metric, labels: escapeLabels(metric.labels, scheme) }));
  // The metrics have the type of the family.
  return { ...family, name, metrics } as Family;
}

function escapeLabels(labels: Labels, scheme: EscapingScheme): Labels {
  if (labels.every(([name]) => isLegacyLabelName(name))) return labels;
  return labels.map(([name, value]) => [isLegacyLabelName(name) ? name : escape(name, scheme, 'label'), value]);
}

function escape(name: string, scheme: EscapingScheme, kind: 'metric' | 'label'): string {
  const [isStart, isChar] =
    kind === 'metric' ? [isMetricNameStart, isMetricNameChar] : [isLabelNameStart, isLabelNameChar];
  const isValid = (char: string, index: number): boolean => (index === 0 ? isStart : isChar)(char.codePointAt(0) ?? 0);
  switch (scheme) {
    case 'allow-utf-8':
      return name;
    case 'underscores':
      return Array.from(name, (char, i) => (isValid(char, i) ? char : '_')).join('');
    case 'dots':
      return Array.from(name, (char, i) => {
        if (char === '_') return '__';
        if (char === '.') return '_dot_';
        return isValid(char, i) ? char : '__';
      }).join('');
    case 'values':
      return escapeName(name, kind);
    default:
      scheme satisfies never;
      return name;
  }
}
