/**
 * Our gateway and the official one: both receive the same requests, and must then show the same.
 */
import { isUtf8 } from 'node:buffer';
import type { Agent } from 'node:http';
import { startGateway, type Gateway } from '../../support/servers/gateway.ts';
import {
  startOfficial,
  startOfficialLatest,
  whyNoLatest,
  type OfficialGateway,
} from '../../support/servers/official.ts';
import { rawRequest } from '../../support/http/raw-request.ts';
import { keepAlive, request as send } from '../../support/http/request.ts';
import { hold } from '../../support/process/resources.ts';
import { missing } from '../../support/process/tools.ts';
import { observe, observeProtobuf, type Observation } from './observe.ts';
import { describeStep, type Step } from './step.ts';

export type Release = 'latest' | '1.5.1';
export const RELEASES: readonly Release[] = ['latest', '1.5.1'];

/** For `skip(...whyNot(release))`. */
export function whyNot(release: Release): [condition: boolean, note: string] {
  return release === 'latest' ? whyNoLatest() : missing('prometheus-pushgateway');
}

export interface PairOptions {
  /** Flags for both. */
  readonly flags?: readonly string[];
  /** Flags only for ours. */
  readonly ours?: readonly string[];
  /** Prefix of all paths. */
  readonly prefix?: string;
  /** Enables the admin API, which empties both with one call. Default true. */
  readonly admin?: boolean;
  /** Sends `Prefer: wait` to ours, so that the effect is visible at once. Default true. */
  readonly wait?: boolean;
}

export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly location: string | undefined;
}

export class Pair {
  readonly ours: Gateway;
  readonly official: OfficialGateway;
  readonly release: Release;
  readonly #agents: readonly [Agent, Agent];
  readonly #wait: boolean;
  readonly #prefix: string;

  private constructor(release: Release, ours: Gateway, official: OfficialGateway, options: PairOptions) {
    this.release = release;
    this.ours = ours;
    this.official = official;
    this.#wait = options.wait ?? true;
    this.#prefix = options.prefix ?? '';
    this.#agents = [keepAlive(4), keepAlive(4)];
    hold('connections of a pair', async () => {
      for (const agent of this.#agents) agent.destroy();
      return await Promise.resolve();
    });
  }

  static async start(release: Release, options: PairOptions = {}): Promise<Pair> {
    const { flags = [], ours = [], admin = true, prefix = '' } = options;
    const all = [...(admin ? ['--web.enable-admin-api'] : []), ...flags];
    const start = release === 'latest' ? startOfficialLatest : startOfficial;
    const [gateway, official] = await Promise.all([
      startGateway({ args: ['--redis.expiration=0', '--ingest.threads=1', ...all, ...ours], waitUntilReady: false }),
      start(all, prefix),
    ]);
    await gateway.process.waitForHttp(`${gateway.url}${prefix}/-/ready`);
    return new Pair(release, gateway, official, options);
  }

  /** To both at the same time. */
  async send(step: Step): Promise<[ours: Reply, official: Reply]> {
    return await Promise.all([this.sendToOurs(step), this.sendToOfficial(step)]);
  }

  async sendToOurs(step: Step, wait = this.#wait): Promise<Reply> {
    return await this.#send(this.ours.url, this.#agents[0], step, wait);
  }

  async sendToOfficial(step: Step): Promise<Reply> {
    return await this.#send(this.official.url, this.#agents[1], step, false);
  }

  async observe(): Promise<[ours: Observation, official: Observation]> {
    const [ours, official] = this.#agents;
    const [a, b] = [this.ours.url + this.#prefix, this.official.url + this.#prefix];
    return await Promise.all([observe(a, ours), observe(b, official)]);
  }

  async observeProtobuf(): Promise<[ours: string[], official: string[]]> {
    const [ours, official] = this.#agents;
    return await Promise.all([observeProtobuf(this.ours.url, ours), observeProtobuf(this.official.url, official)]);
  }

  /** Deletes everything on both. */
  async wipe(): Promise<void> {
    const wipe: Step = { method: 'PUT', path: `${this.#prefix}/api/v1/admin/wipe`, body: Buffer.alloc(0), headers: {} };
    const replies = await Promise.all([this.sendToOurs(wipe, true), this.sendToOfficial(wipe)]);
    for (const { status, text } of replies) {
      if (status !== 202) throw new Error(`cannot wipe: ${status} ${text}`);
    }
  }

  async #send(url: string, agent: Agent, step: Step, wait: boolean): Promise<Reply> {
    const { method, path, body, headers, raw } = step;
    if (raw !== undefined) return await sendRaw(url, raw, wait);
    const prefer = wait ? { prefer: 'wait=30' } : {};
    const hasBody = body.length > 0 || method === 'PUT' || method === 'POST';
    const answer = await send(url, path, {
      method,
      agent,
      headers: { ...headers, ...prefer },
      ...(hasBody ? { body } : {}),
    });
    return { status: answer.status, text: answer.text, location: answer.headers.location };
  }
}

async function sendRaw(url: string, bytes: Buffer, wait: boolean): Promise<Reply> {
  let text = bytes.toString('latin1');
  if (wait) text = text.replace('\r\n', '\r\nPrefer: wait=30\r\n');
  const received = await rawRequest(Number(new URL(url).port), [text], { ending: 'end' });
  // Before the last answer there may be `100 Continue`.
  const status = [...received.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)].at(-1)?.[1] ?? '0';
  return { status: Number(status), text: received, location: undefined };
}

/**
 * The difference between the answers to a step, or undefined. If the official gateway answers 200 to a push, ours
 * answers 202 or 200; all other statuses are equal, except for redirects, which depend on the Go version. Most refusals
 * begin with the same words.
 */
export function answerDifference(step: Step, ours: Reply, official: Reply): string | undefined {
  const [reason = ''] = isUtf8(step.body) ? (REASONS.exec(official.text) ?? []) : [];
  if (classOf(step, ours) === classOf(step, official) && ours.text.startsWith(reason)) return undefined;
  const show = ({ status, text }: Reply): string => `${status} ${JSON.stringify(text.slice(0, 300))}`;
  return `${describeStep(step)}\n  ours:     ${show(ours)}\n  official: ${show(official)}`;
}

function classOf({ method }: Step, { status }: Reply): string {
  if (status === 301 || status === 307 || status === 308) return 'redirect';
  if (status === 202 && (method === 'PUT' || method === 'POST')) return '200';
  return String(status);
}

/** Refusals with the same wording, up to the quoted input. */
const REASONS =
  /^(?:text format parsing error in line \d+|pushed metrics are invalid|odd number of|improper label|invalid base64|job name is)[^:"']*/;
