import type { Stamp } from '../../shared/records/stamp.ts';

/** The stamp that merge.lua gives a push, from its stream ID. */
export function stampOf(streamId: string): Stamp {
  const [ms = '', sequence = ''] = streamId.split('-');
  return `${ms.padStart(14, '0')}-${sequence.padStart(10, '0')}`;
}
