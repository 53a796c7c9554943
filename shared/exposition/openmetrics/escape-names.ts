/**
 * Makes names legacy-valid for scrapers that do not say that they read UTF-8 names, by the scheme they ask for. What is valid stays as it is,
 * with `dots` too, although an underscore can then stand for itself or for another.
 * https://github.com/prometheus/proposals/blob/main/proposals/2023-08-21-utf8.md
 *
 *     underscores   what is not valid becomes `_`
 *     dots          `.` becomes `_dot_`, `_` becomes `__`, what else is not valid becomes `__`
 *     values        `U__` and then `_` as `__`, what is not valid as `_HEX_`
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

export const escapingSchemes = ['allow-utf-8', 'underscores', 'dots', 'values'] as const;
export type EscapingScheme = (typeof escapingSchemes)[number];

/** A copy with the names of the family and of all labels escaped; the family itself when there is nothing to do. */
export function escapeFamilyNames(family: Family, scheme: EscapingScheme): Family {
  if (scheme === 'allow-utf-8') return family;
  const name = isLegacyMetricName(family.name) ? family.name : escape(family.name, scheme, 'metric');
  const metrics = family.metrics.map((metric) => ({ ...metric, labels: escapeLabels(metric.labels, scheme) }));
  // The metrics are those of the family's own type.
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
