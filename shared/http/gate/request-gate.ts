/**
 * What every request passes before it reaches a route: accepted hosts, then rate limit, response headers, basic
 * authentication, route prefix, in the order of the exporter toolkit. Routes receive the path below the prefix.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Counter } from 'prom-client';
import { asError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { AllowedHosts } from './allowed-hosts.ts';
import { BasicAuth, type Verdict } from './basic-auth.ts';
import { discardBody } from '../body/discard-body.ts';
import { clientKey, type TrustedProxies } from './client-address.ts';
import type { PasswordChecker } from './password-checker.ts';
import { RateLimiter } from './rate-limiter.ts';
import { redirectTo } from '../reply/redirect.ts';
import { hostOf, pathOf } from '../request-url.ts';
import { cleanUrl, unescapedUrl } from './request-path.ts';
import type { WebSettings } from '../web-config/web-settings.ts';

export type TurnedAway = Counter<'reason'>;

interface GateContext {
  /** '' or '/path'. */
  readonly routePrefix: string;
  readonly route: RequestListener;
  readonly checker: PasswordChecker;
  readonly proxies: TrustedProxies;
  readonly hosts: AllowedHosts;
  readonly turnedAway: TurnedAway;
  readonly logger: Logger;
}

type GateSettings = Pick<WebSettings, 'headers' | 'users' | 'rateLimit'>;

export class RequestGate {
  readonly #context: GateContext;
  #headers: GateSettings['headers'] = [];
  #limit: GateSettings['rateLimit'];
  #limiter: RateLimiter | undefined;
  #auth: BasicAuth | undefined;

  constructor(context: GateContext, settings: GateSettings) {
    this.#context = context;
    this.apply(settings);
  }

  /** Accepted passwords stay remembered if the users are unchanged. */
  apply({ headers, users, rateLimit }: GateSettings): void {
    this.#headers = headers;
    if (this.#limit?.burst !== rateLimit?.burst || this.#limit?.intervalMs !== rateLimit?.intervalMs) {
      this.#limiter = rateLimit && new RateLimiter(rateLimit);
    }
    this.#limit = rateLimit;
    if (users.size === 0) this.#auth = undefined;
    else if (!sameUsers(users, this.#auth?.users)) this.#auth = new BasicAuth(users, this.#context.checker);
  }

  readonly handle: RequestListener = (request, response) => {
    const { proxies, hosts } = this.#context;
    proxies.identify(request);
    // Browsers then do not guess what an answer is: text that somebody pushed is never run as a script.
    response.setHeader('X-Content-Type-Options', 'nosniff');
    if (!hosts.accepts(hostOf(request.headers))) return this.#turnAway(request, response, 'host');
    if (this.#limiter !== undefined && !this.#limiter.take()) {
      response.setHeader('Retry-After', this.#limiter.retryAfterSeconds);
      return this.#turnAway(request, response, 'rate_limit');
    }
    for (const [name, value] of this.#headers) response.setHeader(name, value);
    if (this.#auth === undefined) return this.#route(request, response);
    const verdict = this.#auth.check(request.headers.authorization, clientKey(request));
    if (typeof verdict === 'string') return this.#admit(verdict, request, response);
    verdict.then(
      (checked) => this.#admit(checked, request, response),
      (thrown: unknown) => {
        this.#context.logger.error({ err: asError(thrown) }, 'cannot check a password');
        this.#admit('overloaded', request, response);
      },
    );
  };

  #admit(verdict: Verdict, request: IncomingMessage, response: ServerResponse): void {
    switch (verdict) {
      case 'accepted':
        return this.#route(request, response);
      case 'refused':
        response.setHeader('WWW-Authenticate', 'Basic');
        return this.#turnAway(request, response, 'unauthorized');
      case 'overloaded':
        response.setHeader('Retry-After', 1);
        return this.#turnAway(request, response, 'too_many_logins');
      default:
        verdict satisfies never;
    }
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const { routePrefix, route } = this.#context;
    let url = request.url ?? '/';
    // A client configured to use this server as a proxy sends an absolute URL.
    if (!url.startsWith('/') && /^https?:\/\//i.test(url)) {
      url = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/^(?!\/)/, '/');
      request.url = url;
    }
    const clean = cleanUrl(url);
    if (clean !== url && url.startsWith('/')) return redirect(request, response, clean);
    const asSent = url;
    url = unescapedUrl(url);
    if (url !== asSent) {
      Object.assign(request, { originalUrl: asSent });
      request.url = url;
    }
    if (routePrefix === '') return route(request, response);

    const path = pathOf(url);
    if (url.startsWith(routePrefix) && url[routePrefix.length] === '/') {
      Object.assign(request, { originalUrl: asSent });
      request.url = url.slice(routePrefix.length);
      return route(request, response);
    }
    if (request.method === 'GET' && path === routePrefix) {
      return redirect(request, response, `${routePrefix}/${url.slice(path.length)}`);
    }
    answer(request, response, 404, '404 page not found');
  }

  #turnAway(request: IncomingMessage, response: ServerResponse, reason: TurnAwayReason): void {
    this.#context.turnedAway.inc({ reason });
    const [status, line] = REFUSALS[reason];
    answer(request, response, status, line);
  }
}

type TurnAwayReason = keyof typeof REFUSALS;

const REFUSALS = {
  host: [421, 'cannot answer for this host: expected a name of --web.allowed-hosts, or an address'],
  rate_limit: [429, 'Too Many Requests'],
  unauthorized: [401, 'Unauthorized'],
  too_many_logins: [503, 'too many logins are being checked, try again later'],
} as const;

export const TURN_AWAY_REASONS = [...Object.keys(REFUSALS), 'cross_origin'];

function answer(request: IncomingMessage, response: ServerResponse, status: number, line: string): void {
  discardBody(request);
  const body = `${line}\n`;
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length }).end(body);
}

function redirect(request: IncomingMessage, response: ServerResponse, location: string): void {
  discardBody(request);
  const { headers, body } = redirectTo(location, 301, request.method);
  response.writeHead(301, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
}

function sameUsers(users: ReadonlyMap<string, string>, others: ReadonlyMap<string, string> | undefined): boolean {
  return users.size === others?.size && [...users].every(([user, hash]) => others.get(user) === hash);
}
