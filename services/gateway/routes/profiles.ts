/**
 * CPU and heap profiles of the process, instead of the official gateway's pprof. They require --web.enable-lifecycle,
 * because a profile slows the process and reveals its internals. Chromium's DevTools, speedscope and VS Code open them.
 *
 *     GET /debug/profile/cpu?seconds=10    a .cpuprofile
 *     GET /debug/profile/heap?seconds=10   a .heapprofile: the allocations that are still in use
 */
import { Session } from 'node:inspector/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../../../shared/config/config.ts';
import { queryOf } from '../../../shared/http/request-url.ts';

const DEFAULT_SECONDS = 10;
const MAX_SECONDS = 120;

type Profiler = (session: Session, seconds: number) => Promise<unknown>;

const PROFILERS: Readonly<Record<'cpu' | 'heap', Profiler>> = {
  cpu: async (session, seconds) => {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await delay(seconds * 1000);
    const { profile } = await session.post('Profiler.stop');
    return profile;
  },
  heap: async (session, seconds) => {
    await session.post('HeapProfiler.enable');
    await session.post('HeapProfiler.startSampling');
    await delay(seconds * 1000);
    const { profile } = await session.post('HeapProfiler.stopSampling');
    return profile;
  },
};

export function serveProfiles(app: FastifyInstance, config: Config): void {
  let busy = false;
  for (const [kind, profile] of Object.entries(PROFILERS)) {
    app.get(`/debug/profile/${kind}`, { config: { crossOrigin: 'refuse' } }, async (request, reply) => {
      if (!config.web.enableLifecycle) return await reply.code(403).send('Lifecycle API is not enabled.');
      const seconds = secondsOf(request);
      if (seconds === undefined)
        return await reply.code(400).send(`seconds must be a number from 1 to ${MAX_SECONDS}\n`);
      if (busy) return await reply.code(503).header('Retry-After', '10').send('another profile is being taken\n');
      busy = true;
      try {
        return await take(reply, kind, profile, seconds);
      } finally {
        busy = false;
      }
    });
  }
}

async function take(reply: FastifyReply, kind: string, profile: Profiler, seconds: number): Promise<FastifyReply> {
  const session = new Session();
  session.connect();
  try {
    const taken = await profile(session, seconds);
    const name = `pushgateway-${process.pid}.${kind}profile`;
    return await reply
      .type('application/json')
      .header('Content-Disposition', `attachment; filename="${name}"`)
      .send(JSON.stringify(taken));
  } finally {
    session.disconnect();
  }
}

function secondsOf(request: FastifyRequest): number | undefined {
  const seconds = queryOf(request.url).get('seconds');
  const value = seconds === null ? DEFAULT_SECONDS : Number(seconds);
  return value >= 1 && value <= MAX_SECONDS ? value : undefined;
}
