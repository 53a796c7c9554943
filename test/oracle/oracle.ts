/**
 * Reads exposition bodies with the Go code of Prometheus (main.go in this folder, which describes the protocol).
 */
import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Text with legacy names, text with UTF-8 names, protobuf, protobuf to be written again as such, or a number to be
 * formatted.
 */
export type Mode = 't' | 'u' | 'p' | 'm' | 'n';

export interface Verdict {
  /** `inconsistent`: parsed, but a push of it would be refused. `panicked`: the official parser panicked. */
  verdict: 'taken' | 'inconsistent' | 'refused' | 'panicked';
  /** Re-rendered by expfmt; for `inconsistent` the reason and a newline come before; for `refused` the reason. */
  text: string;
  /** The raw answer, which is not text in mode `m`. */
  bytes?: Buffer;
}

const VERDICTS: Record<string, Verdict['verdict']> = { y: 'taken', i: 'inconsistent', n: 'refused', x: 'panicked' };

export type Oracle = { command: string } | { skipped: string };

/** Builds the Go program if necessary, or returns why it cannot be used here. */
export function buildOracle(): Oracle {
  if (spawnSync('go', ['version']).error !== undefined) return { skipped: 'go is not installed' };
  const sources = ['main.go', 'go.mod', 'go.sum'].map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'));
  const command = join(tmpdir(), `exposition-oracle-${hash('sha1', sources.join('\0'))}`);
  if (existsSync(command)) return { command };

  // Built under another name and renamed, because another run may build it at the same time.
  const built = `${command}.${String(process.pid)}`;
  const build = spawnSync('go', ['build', '-o', built, '.'], { cwd: import.meta.dirname, encoding: 'utf8' });
  if (build.status === 0) {
    renameSync(built, command);
    return { command };
  }
  if (/dial tcp|lookup|i\/o timeout|module lookup disabled/.test(build.stderr)) {
    return { skipped: 'the Go modules of test/oracle cannot be downloaded' };
  }
  throw new Error(`the oracle does not build: ${build.stderr}`);
}

/** One answer for each body, in order. */
export function askOracle(command: string, mode: Mode, bodies: readonly Uint8Array[]): Verdict[] {
  const request: Uint8Array[] = [];
  for (const body of bodies) {
    const header = Buffer.alloc(5);
    header.write(mode, 'latin1');
    header.writeUInt32BE(body.byteLength, 1);
    request.push(header, body);
  }
  const { stdout, status, error } = spawnSync(command, { input: Buffer.concat(request), maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`the oracle failed with status ${String(status)}`, { cause: error });

  const answers: Verdict[] = [];
  for (let at = 0; at < stdout.byteLength;) {
    const verdict = VERDICTS[stdout.toString('latin1', at, at + 1)];
    const end = at + 5 + stdout.readUInt32BE(at + 1);
    if (verdict === undefined) throw new Error('the oracle wrote something else than answers');
    const bytes = stdout.subarray(at + 5, end);
    answers.push(mode === 'm' ? { verdict, text: '', bytes } : { verdict, text: bytes.toString('utf8') });
    at = end;
  }
  return answers;
}
