import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { parse } from 'yaml';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { Gateway as GatewayProcess } from '../../../services/gateway/gateway.ts';
import { loadConfig } from '../../../shared/config/read/load.ts';
import { packageVersion } from '../../../shared/config/version.ts';
import { createLogger } from '../../../shared/logger.ts';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import { startRedis } from '../../support/redis/server.ts';

// Compares docs/openapi.yaml with the routes and answers of a gateway.

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly example?: string;
  readonly schema: { readonly enum?: readonly string[] };
}

interface Operation {
  readonly parameters?: readonly (Parameter | { readonly $ref: string })[];
  readonly responses: Readonly<Record<string, unknown>>;
}

type PathItem = Readonly<Record<string, unknown>> & { readonly 'x-route'?: string };

interface Document {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, PathItem>>;
  readonly components: { readonly parameters: Readonly<Record<string, Parameter>> };
}

const METHODS = ['get', 'put', 'post', 'delete', 'options'] as const;
const ENABLED = ['--web.enable-admin-api', '--web.enable-lifecycle'];

const document = parse(readFileSync(new URL('../../../docs/openapi.yaml', import.meta.url), 'utf8'), {
  merge: true,
}) as Document;

const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  METHODS.flatMap((method) => {
    const operation = item[method] as Operation | undefined;
    if (operation === undefined) return [];
    const shared = (item['parameters'] ?? []) as NonNullable<Operation['parameters']>;
    const parameters = [...shared, ...(operation.parameters ?? [])].map((one) =>
      '$ref' in one ? (document.components.parameters[one.$ref.split('/').at(-1) ?? ''] as Parameter) : one,
    );
    return [{ method: method.toUpperCase(), path, route: routeOf(path, item), operation, parameters }];
  }),
);

function routeOf(path: string, item: PathItem): string {
  return item['x-route'] ?? path.replaceAll(/\{(\w+)\}/g, ':$1');
}

test('the document is valid OpenAPI', async () => {
  const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
});

test('the document has the version of the package', () => {
  expect(document.info.version).toBe(packageVersion());
});

test('the document has every route, and no others', async () => {
  expect([...new Set(operations.map(({ method, route }) => `${method} ${route}`))].toSorted()).toEqual(
    (await registeredRoutes()).toSorted(),
  );
});

/** Of an app that does not listen. The routes of ingest and reader are those of the role `all`. */
async function registeredRoutes(): Promise<string[]> {
  const routes = new Set<string>();
  const observe = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', ({ method, url }: RouteOptions) => {
      for (const one of [method].flat()) routes.add(`${one} ${url}`);
    });
  };
  subscribe('fastify.initialization', observe);
  try {
    for (const role of ['ingest', 'reader']) {
      const loaded = loadConfig({ argv: [role, ...ENABLED], env: {} });
      if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
      const gateway = new GatewayProcess(loaded.config, createLogger(loaded.config.log), () => {});
      await gateway.destroy();
    }
  } finally {
    unsubscribe('fastify.initialization', observe);
  }
  return [...routes];
}

describe('every documented call is answered as documented', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway({ redis: await startRedis(), args: ENABLED });
  });

  const last = operations.filter(({ path, method }) => path === '/-/quit' && method === 'PUT');
  const answered = operations.filter(({ path, method }) => path !== '/-/quit' || method === 'GET');
  test.for([...answered, ...last])('$method $path', async ({ method, path, operation, parameters }) => {
    const isQuick = path.startsWith('/debug/profile') ? '?seconds=1' : '';
    const body = method === 'PUT' || method === 'POST' ? { body: 'some_metric 1\n' } : {};
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const { example, schema } = parameters.find((one) => one.in === 'path' && one.name === name) as Parameter;
      return example ?? schema.enum?.[0] ?? '';
    });
    expect(filled).not.toMatch(/[{}]|\/\//);
    const { status, headers } = await gateway.request(filled + isQuick, { method, ...body });
    expect(Object.keys(operation.responses)).toContain(String(status));
    const { content } = operation.responses[String(status)] as { content?: Record<string, unknown> };
    if (content === undefined) return;
    expect(Object.keys(content)).toContain(String(headers['content-type']).split(';')[0]);
  });
});
