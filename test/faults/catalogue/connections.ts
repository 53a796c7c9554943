import { SHAPES, type Member } from '../harness/fleet.ts';
import { TOPOLOGIES } from '../harness/backend.ts';
import type { Fault, Ground } from '../harness/scenario.ts';

// The connection between gateways and Redis breaks while both sides run.

/** Every 250 ms while the fault lasts. */
async function again(ground: Ground, times: number, act: (round: number) => Promise<void> | void): Promise<void> {
  for (let round = 0; round < times; round++) {
    await act(round);
    await ground.hold(250);
  }
}

const droppedConnections: Fault = {
  name: 'all connections dropped, again and again (CLIENT KILL)',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async (ground) => {
    await again(ground, 12, async () => {
      for (const node of await ground.backend.masters())
        for (const type of ['normal', 'pubsub']) await node.cli('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
    });
  },
};

const lostReplies: Fault = {
  name: 'reply lost after the append',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  links: true,
  run: async (ground) => {
    await again(ground, 12, async (round) => {
      const ingests = ground.fleet.doing('ingest');
      await ingests[round % ingests.length]?.link?.loseReply('xadd', 1);
    });
  },
};

function partition(role: 'ingest' | 'worker' | 'reader'): Fault {
  return {
    name: `partition between ${role === 'ingest' ? 'an' : 'a'} ${role} and Redis`,
    topologies: TOPOLOGIES,
    shapes: role === 'ingest' ? SHAPES : ['split'],
    links: true,
    run: async ({ fleet, hold }) => {
      const { link } = fleet.one(role);
      link?.cut();
      // Longer than a connection may stay silent.
      await hold(8_000);
      link?.restore();
    },
  };
}

function mute(members: readonly Member[], pattern: string | undefined): void {
  for (const { link } of members) link?.mute(pattern);
}

const lostNotifications: Fault = {
  name: 'notifications lost',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  links: true,
  run: async ({ fleet, hold }) => {
    mute(fleet.members, '\nmessage\r');
    await hold();
    mute(fleet.members, undefined);
  },
};

const notificationsOff: Fault = {
  name: 'notifications switched off',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  run: async ({ backend, hold }) => {
    for (const node of backend.nodes) await node.cli('CONFIG', 'SET', 'notify-keyspace-events', '');
    await hold();
  },
};

const notificationsForbidden: Fault = {
  name: 'notifications forbidden (ACL user without CONFIG and SUBSCRIBE)',
  topologies: TOPOLOGIES,
  shapes: SHAPES,
  redisArgs: ['--user', 'gateway', 'on', '>secret', '~*', '&*', '+@all', '-config', '-subscribe', '-psubscribe'],
  gatewayArgs: (topology) => {
    // Without CONFIG the gateway cannot know whether every append is synced.
    const durability = topology === 'single' ? ['--push.durability=memory'] : [];
    return ['--redis.username=gateway', '--redis.password=secret', ...durability];
  },
  durability: 'memory (one server), replica (WAIT 1) elsewhere: `disk` needs CONFIG GET',
  run: async ({ hold }) => {
    await hold();
  },
};

export const connectionFaults: readonly Fault[] = [
  droppedConnections,
  lostReplies,
  partition('ingest'),
  partition('worker'),
  partition('reader'),
  lostNotifications,
  notificationsOff,
  notificationsForbidden,
];
