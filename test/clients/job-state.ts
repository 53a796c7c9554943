import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { samples } from '../support/metrics-text.ts';

/** Access to a gateway; a Gateway implements it. */
export interface Readable {
  readonly request: (path: string) => Promise<{ readonly status: number; readonly text: string }>;
}

export interface JobState {
  /** The job's sample lines on /metrics, sorted, without the push times. */
  readonly lines: readonly string[];
  /** The labels of its groups in the API, in any order. */
  readonly groups: readonly Readonly<Record<string, string>>[];
}

/**
 * Waits until /metrics and the API show exactly this of a job, because clients are answered before a push is merged.
 */
export async function expectJob(gateway: Readable, job: string, { lines, groups }: JobState): Promise<void> {
  await eventually(async () => {
    expect(await linesOf(gateway, job)).toEqual(lines);
    expect(new Set(await groupsOf(gateway, job))).toEqual(new Set(groups));
  });
}

/** Waits until the job has no groups. */
export const NOTHING: JobState = { lines: [], groups: [] };

export async function linesOf(gateway: Readable, job: string): Promise<string[]> {
  return samples(await read(gateway, '/metrics'))
    .filter(({ name, labels }) => labels['job'] === job && !/^push_(failure_)?time_seconds$/.test(name))
    .map(({ line }) => line)
    .toSorted();
}

export async function groupsOf(gateway: Readable, job: string): Promise<Record<string, string>[]> {
  const { data }: { data: { labels: Record<string, string> }[] } = JSON.parse(await read(gateway, '/api/v1/metrics'));
  return data.map(({ labels }) => labels).filter((labels) => labels['job'] === job);
}

async function read(gateway: Readable, path: string): Promise<string> {
  const { status, text } = await gateway.request(path);
  if (status !== 200) throw new Error(`${path} answered ${status}: ${text.slice(0, 200)}`);
  return text;
}
