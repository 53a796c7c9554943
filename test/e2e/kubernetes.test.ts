import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildGoModule } from '../support/process/go-program.ts';
import { projectFolder } from '../support/project.ts';
import { run } from '../support/process/run.ts';
import { findTool, missing } from '../support/process/tools.ts';

// The objects of deploy/kubernetes, rendered by kustomize and read by the types of Kubernetes (test/kubernetes).

type Labels = Readonly<Record<string, string>>;
interface Selector {
  readonly matchLabels?: Labels;
}

interface Container {
  readonly image: string;
  readonly args: string[];
  readonly envFrom?: { configMapRef: { name: string } }[];
  readonly ports: { name: string; containerPort: number }[];
  readonly volumeMounts: { name: string; mountPath: string }[];
  readonly resources: { limits: { memory: string } };
}

interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly replicas?: number;
    readonly selector?: Labels & Selector;
    readonly ports?: { port: number; targetPort: string }[];
    readonly podSelector?: Selector;
    readonly template?: { metadata: { labels: Labels }; spec: { containers: [Container] } };
  };
}

let objects: readonly KubernetesObject[];

beforeEach(({ skip }) => skip(...missing('go')));

beforeAll(async () => {
  if (findTool('go') === undefined) return;
  const program = await buildGoModule('kubernetes');
  const files = ['deploy/kubernetes', 'deploy/kubernetes/monitoring.yaml'];
  const checked = await run(program, files, { cwd: projectFolder });
  expect(checked, checked.output).toMatchObject({ code: 0 });
  objects = JSON.parse(checked.stdout) as KubernetesObject[];
}, 1_000_000);

const ofKind = (...kinds: string[]) => objects.filter(({ kind }) => kinds.includes(kind));
const workloads = () => ofKind('Deployment', 'StatefulSet');

/** Names of the workloads whose pods a selector takes; all for an empty one. */
function selected(selector: Labels | undefined): string[] {
  return workloads()
    .filter(({ spec }) =>
      Object.entries(selector ?? {}).every(([label, value]) => spec.template?.metadata.labels[label] === value),
    )
    .map(({ metadata }) => metadata.name)
    .toSorted();
}

describe('deploy/kubernetes', () => {
  test('has two processes of each role and a Redis, all in one namespace', () => {
    const described = workloads().map(({ metadata, spec }) => [metadata.name, spec.replicas]);
    expect(Object.fromEntries(described)).toEqual({
      'pushgateway-ingest': 2,
      'pushgateway-reader': 2,
      'pushgateway-worker': 2,
      'pushgateway-redis': 1,
    });
    for (const { kind, metadata } of objects)
      expect(metadata.namespace ?? metadata.name, `${kind} ${metadata.name}`).toBe('pushgateway');
  });

  test('each role is its own Deployment, Service and budget', () => {
    for (const { metadata, spec } of [...ofKind('Service'), ...workloads()])
      expect(selected(spec.selector?.matchLabels ?? spec.selector)).toEqual([metadata.name]);
    for (const { metadata, spec } of ofKind('PodDisruptionBudget'))
      expect(selected(spec.selector?.matchLabels)).toEqual([metadata.name]);
    expect(ofKind('PodDisruptionBudget')).toHaveLength(3);
    for (const { metadata, spec } of ofKind('Deployment'))
      expect(spec.template?.spec.containers[0].args).toEqual([metadata.name.replace('pushgateway-', '')]);
  });

  test('referenced ports and configurations exist', () => {
    for (const { metadata, spec } of ofKind('Service')) {
      const { template } = workloads().find(({ metadata: { name } }) => name === metadata.name)?.spec ?? {};
      const names = template?.spec.containers[0].ports.map(({ name }) => name);
      for (const { targetPort } of spec.ports ?? []) expect(names).toContain(targetPort);
    }
    const configurations = ofKind('ConfigMap').map(({ metadata }) => metadata.name);
    for (const { spec } of ofKind('Deployment'))
      for (const { configMapRef } of spec.template?.spec.containers[0].envFrom ?? [])
        expect(configurations).toContain(configMapRef.name);
  });

  test('network policies deny by default, and allow clients to ingest, and the gateway to Redis', () => {
    const policies = Object.fromEntries(
      ofKind('NetworkPolicy').map(({ metadata, spec }) => [metadata.name, selected(spec.podSelector?.matchLabels)]),
    );
    const gateway = ['pushgateway-ingest', 'pushgateway-reader', 'pushgateway-worker'];
    expect(policies).toEqual({
      'deny-others': [...gateway, 'pushgateway-redis'].toSorted(),
      clients: ['pushgateway-ingest'],
      scrapers: gateway,
      'gateway-to-redis': gateway,
      'redis-from-gateway': ['pushgateway-redis'],
    });
  });

  test('secrets come from files, and external images are pinned', () => {
    for (const { metadata, spec } of workloads()) {
      const [container] = spec.template?.spec.containers ?? [];
      expect(container?.volumeMounts, metadata.name).toContainEqual(
        expect.objectContaining({ mountPath: '/run/secrets', readOnly: true }),
      );
      expect(container?.image).toMatch(/^registry\.example\.com\/pushgateway-redis:|@sha256:[\da-f]{64}$/);
      expect(container?.resources.limits.memory).toBe('2Gi');
    }
    expect(objects.map(({ kind }) => kind)).not.toContain('Secret');
  });

  test('the settings are those of docker-compose.yml, except for the addresses', async () => {
    const [settings] = ofKind('ConfigMap').filter(({ metadata }) => metadata.name.includes('settings'));
    const compose = await run('sed', ['-n', 's/^    \\([A-Z_]*\\): \\(.*\\)$/\\1=\\2/p', 'docker-compose.yml'], {
      cwd: projectFolder,
    });
    for (const [name, value] of Object.entries(settings?.data ?? {}))
      if (!/ENDPOINT|SHUTDOWN/.test(name)) expect(compose.stdout).toContain(`${name}=${value}\n`);
  });
});
