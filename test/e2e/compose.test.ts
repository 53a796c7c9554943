import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { buildGoProgram, whyNoGoProgram, type GoProgram } from '../support/process/go-program.ts';
import { projectFolder } from '../support/project.ts';
import { run } from '../support/process/run.ts';
import { missing } from '../support/process/tools.ts';

/** The code with which Docker Compose reads its files, as a separate program. */
const loader: GoProgram = {
  module: 'github.com/compose-spec/compose-go/v2',
  version: 'v2.16.2',
  package: 'github.com/compose-spec/compose-go/v2/cmd',
  file: 'compose-go/v2.16.2/compose',
};

interface Service {
  image: string;
  build?: string;
  command?: string[];
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  pids_limit?: number;
  mem_limit?: string;
  memswap_limit?: string;
  networks?: string[];
  ports?: string[];
  volumes?: string[];
  secrets?: string[];
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: unknown[] };
}

interface Prometheus {
  scrape_configs: {
    job_name: string;
    honor_labels?: boolean;
    metrics_path?: string;
    static_configs: { targets: string[] }[];
  }[];
}

const read = (path: string) => readFileSync(join(projectFolder, path), 'utf8');
const compose: {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean } | null>;
  secrets: Record<string, { file: string }>;
  volumes: object;
} = parse(read('docker-compose.yml'), { merge: true });
const services = Object.entries(compose.services);
const nodes = ['ingest-1', 'ingest-2', 'worker-1', 'worker-2', 'reader-1', 'reader-2'];

function scrapes(path: string) {
  const { scrape_configs }: Prometheus = parse(read(path));
  return scrape_configs.map((config) => ({
    ...config,
    targets: config.static_configs.flatMap(({ targets }) => targets),
  }));
}

describe('docker-compose.yml', () => {
  test('has two nodes of each role, on one Redis', () => {
    for (const name of nodes) {
      expect(compose.services[name]).toMatchObject({
        image: 'pushgateway-redis',
        command: [name.replace(/-\d$/, '')],
        environment: { PUSHGATEWAY_REDIS_ENDPOINT: 'redis:6379' },
        depends_on: { redis: { condition: 'service_healthy' } },
      });
    }
    expect(services.filter(([, { build }]) => build === '.')).toHaveLength(1);
  });

  test('has a health check for every service, as a list of strings', () => {
    for (const [name, { healthcheck }] of services) {
      expect(healthcheck?.test[0], name).toBe('CMD');
      expect(
        healthcheck?.test.every((word) => typeof word === 'string'),
        `${name}: ${JSON.stringify(healthcheck)}`,
      ).toBe(true);
    }
  });

  test('restricts every service: no root, no capabilities, a read-only image, limits', () => {
    for (const [name, service] of services) {
      expect(service, name).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        pids_limit: 200,
        memswap_limit: service.mem_limit,
      });
      expect(service.user, name).toMatch(/^(node|nginx|redis|nobody)$/);
      expect(service.mem_limit, name).toMatch(/^\d+[mg]$/);
    }
    expect(read('Dockerfile')).toMatch(/^USER node$/m);
  });

  test('publishes ports only to this machine by default, and Redis only to the gateway', () => {
    for (const port of services.flatMap(([, { ports = [] }]) => ports))
      expect(port).toMatch(/^\$\{PUBLISH:-127\.0\.0\.1\}:\d+:\d+$/);
    const onNetwork = (network: string) =>
      services.filter(([, { networks }]) => networks?.includes(network)).map(([name]) => name);
    expect(onNetwork('redis').toSorted()).toEqual(['redis', ...nodes].toSorted());
    expect(onNetwork('outside').toSorted()).toEqual(['ingest', 'prometheus', 'reader']);
    expect(compose.networks).toMatchObject({ redis: { internal: true }, gateways: { internal: true }, outside: null });
  });

  test('pins external images by version and digest', () => {
    const images = services.map(([, { image }]) => image).filter((image) => image !== 'pushgateway-redis');
    const froms = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image);
    for (const image of [...images, ...froms.filter((from) => from !== 'node')])
      expect(image).toMatch(/^[\w/]+:v?\d+\.\d+\.\d+[-\w]*@sha256:[\da-f]{64}$/);
  });

  test('names only services, volumes, secrets and files that exist', () => {
    for (const [name, { depends_on = {}, volumes = [], secrets = [] }] of services) {
      for (const secret of secrets) expect(compose.secrets).toHaveProperty([secret]);
      for (const other of Object.keys(depends_on)) expect(compose.services, name).toHaveProperty(other);
      for (const source of volumes.map((volume) => volume.split(':')[0] ?? '')) {
        if (source.startsWith('.')) expect(existsSync(join(projectFolder, source)), source).toBe(true);
        else expect(compose.volumes).toHaveProperty(source);
      }
    }
  });

  test('is accepted by docker compose', async ({ skip }) => {
    const docker = await run('docker', ['compose', 'version']).catch(() => undefined);
    const [without, note] = whyNoGoProgram(loader);
    skip(docker?.code !== 0 && without, `docker compose is not installed, and ${note}`);
    const [command, ...args] =
      docker?.code === 0 ? ['docker', 'compose', 'config'] : [await buildGoProgram(loader), 'docker-compose.yml'];
    const config = await run(command, args, { cwd: projectFolder });
    expect(config, config.output).toMatchObject({ code: 0 });
  });
});

test('the image starts the command of package.json', () => {
  const { bin }: { bin: Record<string, string> } = JSON.parse(read('package.json'));
  expect(read('Dockerfile')).toContain(`ENTRYPOINT ["node", "${bin['pushgateway']}"]`);
});

test('the image is built from files that .dockerignore includes', () => {
  const passing = read('.dockerignore').matchAll(/^!(.*)$/gm);
  const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources = '']) =>
    sources.split(' '),
  );
  expect(copied.toSorted()).toEqual([...passing].map(([, name = '']) => name).toSorted());
});

describe('Prometheus', () => {
  test('scrapes pushed metrics once, and the telemetry of every node', () => {
    const [pushed, telemetry] = scrapes('deploy/prometheus.yml');
    expect(pushed).toMatchObject({ honor_labels: true, targets: ['reader:9753'] });
    expect(telemetry).toMatchObject({ metrics_path: '/telemetry', targets: nodes.map((name) => `${name}:9753`) });
    expect(scrapes('examples/prometheus.yml')[0]).toMatchObject({ honor_labels: true, targets: ['localhost:9753'] });
  });

  test.for(['deploy/prometheus.yml', 'examples/prometheus.yml'])('accepts %s', async (path, { skip }) => {
    skip(...missing('promtool'));
    expect(await run('promtool', ['check', 'config', join(projectFolder, path)])).toMatchObject({ code: 0 });
  });
});
