import { startGateway, type Gateway, type Role } from '../../support/servers/gateway.ts';
import { freePort } from '../../support/process/ports.ts';
import type { Backend } from './backend.ts';
import { startLink, type Link } from './link.ts';

/** Two of each role, so that one may be missing. */
export type Shape = 'all' | 'split';
export const SHAPES: readonly Shape[] = ['all', 'split'];

export interface Member {
  /** `worker-2` */
  readonly name: string;
  readonly role: Role;
  readonly gateway: Gateway;
  /** Its link to Redis, if a fault breaks it. */
  readonly link: Link | undefined;
}

export class Fleet {
  readonly members: readonly Member[];

  constructor(members: readonly Member[]) {
    this.members = members;
  }

  /** Members with this role; the role `all` includes every role. */
  doing(role: Exclude<Role, 'all'>): Member[] {
    return this.members.filter((member) => member.role === role || member.role === 'all');
  }

  /** The first of them: the victim. */
  one(role: Exclude<Role, 'all'>): Member {
    const [first] = this.doing(role);
    if (first === undefined) throw new Error(`no member has the role ${role}`);
    return first;
  }
}

/** Timeout for starting six processes on a busy machine, ms. */
const START_TIMEOUT_MS = 60_000;

export interface FleetOptions {
  readonly args?: readonly string[];
  /** Each member gets its own link to Redis. */
  readonly links?: boolean;
}

export async function startFleet(backend: Backend, shape: Shape, options: FleetOptions = {}): Promise<Fleet> {
  const roles: Role[] = shape === 'all' ? ['all', 'all'] : ['ingest', 'ingest', 'worker', 'worker', 'reader', 'reader'];
  // For debugging: --log.level=debug, with TEST_KEEP=1.
  const more = (process.env['FAULT_GATEWAY_ARGS'] ?? '').split(' ').filter((arg) => arg !== '');
  const members = roles.map(async (role, i): Promise<Member> => {
    const link = options.links === true ? await startLink(backend) : undefined;
    const redis = { endpoint: link?.endpoint ?? backend.endpoint };
    const args = ['--redis.expiration=0', ...backend.gatewayArgs, ...(options.args ?? []), ...more];
    const gateway = await startGateway({ redis, role, args, port: await freePort(), waitUntilReady: false });
    return { name: `${role}-${(i % 2) + 1}`, role, link, gateway };
  });
  const fleet = new Fleet(await Promise.all(members));
  await Promise.all(fleet.members.map(async ({ gateway }) => gateway.waitUntilReady(START_TIMEOUT_MS)));
  return fleet;
}
