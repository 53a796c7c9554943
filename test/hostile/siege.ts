/**
 * A gateway under attack: what its well-behaved clients see before, while other processes use as much CPU time as the
 * attackers, during the attack, and after it.
 */
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hash } from 'bcryptjs';
import { makeCertificate } from '../support/http/certificates.ts';
import { Gateway } from '../support/servers/gateway.ts';
import { TestProcess } from '../support/process/process.ts';
import { projectFolder } from '../support/project.ts';
import { runOrThrow } from '../support/process/run.ts';
import { temporaryFolder } from '../support/process/temporary.ts';
import type { GatewayKind } from './attack.ts';
import { ATTACKS } from './attacks.ts';
import { Judge, PASSWORD, peakMiB, PROBE_USER, resetPeak, type Verdict } from './judge.ts';

export const HEAP_MIB = 512;
/** As `nice` counts: the lower, the more CPU time. */
const PRIORITY = -5;
const ATTACKERS_AFTER = 15;
/** Users who have never logged in before the judge uses them one by one. */
const USERS = 400;

export interface Assault {
  readonly attack: string;
  readonly clients: number;
}

export interface Report {
  readonly name: string;
  readonly exit: string | undefined;
  readonly peakMiB: { readonly before: number; readonly during: number };
  readonly before: Verdict;
  readonly control: Verdict;
  readonly during: Verdict;
  readonly after: Verdict;
  readonly attackers: readonly string[];
  readonly log: string;
}

/**
 * The judge and the gateways that it starts come before other processes of the machine, if the user may do that. The
 * attackers come after them.
 */
export function raisePriority(): void {
  try {
    setPriority(PRIORITY);
  } catch {
    // Only root may; then the judge measures more noise.
  }
}

/** Node 20 does not run TypeScript, and the attackers are processes of their own. */
export async function compileAttackers(): Promise<void> {
  await runOrThrow('npx', ['tsc', '-p', 'test/hostile/tsconfig.json'], { cwd: projectFolder });
}

export async function startTarget(kind: GatewayKind, args: readonly string[] = []): Promise<Gateway> {
  const options = { nodeArgs: [`--max-old-space-size=${HEAP_MIB}`] };
  if (kind === 'plain') return Gateway.start({ ...options, args });
  const folder = temporaryFolder();
  const { cert, key } = makeCertificate('localhost');
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  const hashed = await hash(PASSWORD, 8);
  const names = [PROBE_USER, ...Array.from({ length: USERS }, (_, i) => `user${i}`)];
  const users =
    kind === 'secured' ? `basic_auth_users:\n${names.map((name) => `  ${name}: ${hashed}\n`).join('')}` : '';
  writeFileSync(join(folder, 'web.yml'), `tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n${users}`);
  const flag = `--web.config.file=${join(folder, 'web.yml')}`;
  return Gateway.start({ ...options, args: [flag, ...args], waitUntilReady: false });
}

export async function besiege(
  name: string,
  kind: GatewayKind,
  assaults: readonly Assault[],
  seconds: number,
): Promise<Report> {
  const scrapes = assaults.every(({ attack }) => ATTACKS[attack]?.scrapes !== false);
  const gateway = await startTarget(kind);
  const { port, pid } = gateway;
  const judge = new Judge({ port, pid, kind });
  try {
    await judge.watch(1.5); // warms up
    const before = await judge.watch(Math.max(seconds / 4, 2), { scrapes });
    const peakBefore = peakMiB(pid);
    resetPeak(pid);

    const attackers = await Promise.all(
      assaults.map(async ({ attack, clients }) =>
        startNice('attacker.js', attack, String(port), kind, String(clients), String(seconds)),
      ),
    );
    await Promise.all(attackers.map(async (attacker) => attacker.waitForLine(/begins/, 120_000)));
    const during = await judge.watch(seconds, { scrapes });
    await Promise.all(attackers.map(async (attacker) => attacker.waitForExit(60_000)));
    await sleep(1_000);
    const after = await judge.watch(2, { scrapes });
    const peakDuring = peakMiB(pid);

    const ends = attackers.map((attacker) => attacker.log().trim().split('\n').at(-1) ?? '');
    const exit = gateway.process.exit;
    const log = gateway.process.log().slice(-3_000);
    await gateway.killTree();
    const control = await controlRun(kind, ends, seconds, scrapes);
    return {
      name,
      exit: exit && JSON.stringify(exit),
      peakMiB: { before: peakBefore, during: peakDuring },
      before,
      control,
      during,
      after,
      attackers: ends,
      log,
    };
  } finally {
    judge.close();
    await gateway.killTree();
  }
}

/** A gateway without attacks, while burners use as much CPU time as the attackers did. */
async function controlRun(
  kind: GatewayKind,
  ends: readonly string[],
  seconds: number,
  scrapes: boolean,
): Promise<Verdict> {
  const shares = ends.map((end) => {
    const { cpuSeconds = 0, elapsedSeconds = 1 } = end.startsWith('{') ? JSON.parse(end) : {};
    return cpuSeconds / elapsedSeconds;
  });
  const lasts = Math.max(seconds / 4, 2);
  const gateway = await startTarget(kind);
  const judge = new Judge({ port: gateway.port, pid: gateway.pid, kind });
  await judge.watch(1.5); // warms up
  const burners = await Promise.all(
    shares.map(async (share) => startNice('burner.js', share.toFixed(3), String(lasts))),
  );
  const verdict = await judge.watch(lasts, { scrapes });
  await Promise.all(burners.map(async (burner) => burner.waitForExit(60_000)));
  judge.close();
  await gateway.killTree();
  return verdict;
}

async function startNice(program: string, ...args: string[]): Promise<TestProcess> {
  const file = join(projectFolder, '.cache/hostile', program);
  return TestProcess.start('nice', ['-n', String(ATTACKERS_AFTER), process.execPath, file, ...args]);
}
